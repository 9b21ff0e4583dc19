// noVNC's RFB as Blender needs it.

import RFB from "./novnc/core/rfb.js";
import { encodings } from "./novnc/core/encodings.js";

// Blender's interface is of no use on fewer pixels: a phone gets a larger screen, scaled down.
const SMALLEST_SIDE = 600;

// noVNC always asks for a JPEG quality. Without that request the server sends lossless pictures, and the browser
// needs a third of the time to decode them.
const sendEncodings = RFB.messages.clientEncodings;
RFB.messages.clientEncodings = (socket, list) =>
  sendEncodings(
    socket,
    list.filter((e) => e < encodings.pseudoEncodingQualityLevel0 || e > encodings.pseudoEncodingQualityLevel9),
  );

/** The remote screen. It follows the size of its element. */
export class Screen extends RFB {
  constructor(element, url) {
    super(element, url, { shared: true });
    this.resizeSession = true;
    this.scaleViewport = true;
    this.background = "transparent";
  }

  // noVNC asks for the size of its element; a phone's is enlarged in the same proportion.
  // While the page is hidden, as in a tab of JupyterLab that is not in front, its element has no size.
  _requestRemoteResize() {
    const { w, h } = super._screenSize();
    if (!w || !h) {
      return;
    }
    this._enlarging = true;
    try {
      super._requestRemoteResize();
    } finally {
      this._enlarging = false;
    }
  }

  _screenSize() {
    const size = super._screenSize();
    if (!this._enlarging) {
      return size;
    }
    const factor = Math.max(1, SMALLEST_SIDE / Math.min(size.w, size.h));
    return { w: Math.round(size.w * factor), h: Math.round(size.h * factor) };
  }
}

const probe = document.createElement("canvas");
probe.width = 24;
probe.height = 16;
const probeContext = probe.getContext("2d", { willReadFrequently: true });

/** Whether the picture is of one colour: the bare X server's, before Blender draws or after it has ended. */
export function isBlank(element) {
  const canvas = element.querySelector("canvas");
  if (!canvas?.width || !canvas.height) {
    return true;
  }
  probeContext.drawImage(canvas, 0, 0, probe.width, probe.height);
  const pixels = new Uint32Array(probeContext.getImageData(0, 0, probe.width, probe.height).data.buffer);
  return pixels.every((pixel) => pixel === pixels[0]);
}
