// Keys: all of them to Blender in full screen, and the on-screen keyboard of phones and tablets.

import keysyms from "./novnc/core/input/keysymdef.js";

const BACKSPACE = 0xff08;
const RETURN = 0xff0d;
const FILLER = "x".repeat(8); // something to delete, or the phone sends no Backspace

/** Wire the full-screen button. In full screen the browser's own shortcuts go to Blender too, where it lets us. */
export function joinFullScreen({ button, current }) {
  const root = document.documentElement;
  if (!root.requestFullscreen) {
    button.hidden = true; // iPhone
    return;
  }
  button.addEventListener("click", async () => {
    try {
      if (document.fullscreenElement) {
        await document.exitFullscreen();
      } else {
        await root.requestFullscreen({ navigationUI: "hide" });
        await navigator.keyboard?.lock?.();
      }
    } catch {
      // The person or the browser said no.
    }
    current()?.focus();
  });
  document.addEventListener("fullscreenchange", () => {
    button.querySelector("span").textContent = document.fullscreenElement ? "Leave full screen" : "Full screen";
  });
}

/** Wire the button that brings up the on-screen keyboard. */
export function joinOnScreenKeyboard({ button, keys, current }) {
  const refill = () => {
    keys.value = FILLER;
    keys.setSelectionRange(FILLER.length, FILLER.length);
  };
  button.addEventListener("click", () => {
    refill();
    keys.focus();
  });
  keys.addEventListener("input", (event) => {
    const screen = current();
    if (event.isComposing || !screen) {
      return;
    }
    if (event.inputType.startsWith("delete")) {
      screen.sendKey(BACKSPACE, "Backspace");
    } else if (event.inputType === "insertLineBreak") {
      screen.sendKey(RETURN, "Enter");
    } else {
      type(screen, event.data ?? "");
    }
    refill();
  });
  keys.addEventListener("compositionend", (event) => {
    const screen = current();
    if (screen) {
      type(screen, event.data);
    }
    refill();
  });
}

function type(screen, text) {
  for (const character of text) {
    screen.sendKey(keysyms.lookup(character.codePointAt(0)), null);
  }
}
