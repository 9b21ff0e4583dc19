// One clipboard on both sides, as far as the browser permits; a text field for the rest.

const V = 0x76; // X keysym of "v"
const PASTE_WAIT_MS = 120;

/** Join the browser's clipboard with Blender's. `current()` returns the connected screen or null. */
export function joinClipboards({ current, text, panel, button, close }) {
  let last = "";
  let waiting = 0;

  function toBlender(value) {
    if (value && value !== last) {
      last = value;
      text.value = value;
      current()?.clipboardPasteFrom(value);
    }
  }

  async function read() {
    try {
      toBlender(await navigator.clipboard.readText());
    } catch {
      // Not permitted or not supported: Ctrl+V and the text field remain.
    }
  }

  async function mayReadSilently() {
    try {
      return (await navigator.permissions.query({ name: "clipboard-read" })).state === "granted";
    } catch {
      return false;
    }
  }

  function pressV() {
    clearTimeout(waiting);
    waiting = 0;
    current()?.sendKey(V, "KeyV");
  }

  // A browser gives its clipboard away without asking when the person presses Ctrl+V: hold the key back until the
  // `paste` event has brought the text, then let Blender have the key.
  window.addEventListener(
    "keydown",
    (event) => {
      const paste = event.code === "KeyV" && event.ctrlKey && !event.altKey && !event.metaKey && !event.repeat;
      if (paste && current() && event.target instanceof HTMLCanvasElement) {
        event.stopImmediatePropagation();
        waiting = setTimeout(pressV, PASTE_WAIT_MS);
      }
    },
    { capture: true },
  );
  window.addEventListener("paste", (event) => {
    if (waiting) {
      event.preventDefault();
      toBlender(event.clipboardData?.getData("text/plain") ?? "");
      pressV();
    }
  });

  window.addEventListener("focus", async () => {
    if (await mayReadSilently()) {
      await read();
    }
  });

  text.addEventListener("input", () => {
    last = text.value;
    current()?.clipboardPasteFrom(text.value);
  });

  function show(open) {
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      text.focus();
      text.select();
      read();
    } else {
      current()?.focus();
    }
  }
  button.addEventListener("click", () => show(panel.hidden));
  close.addEventListener("click", () => show(false));
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      show(false);
    }
  });

  return {
    /** Blender has copied something. */
    async fromBlender(value) {
      last = value;
      text.value = value;
      try {
        await navigator.clipboard.writeText(value);
      } catch {
        // Not permitted: the text field has it.
      }
    },
  };
}
