// The desktop page: connects, says what it waits for, and connects again by itself.

import { joinClipboards } from "./clipboard.js";
import { joinFullScreen, joinOnScreenKeyboard } from "./keyboard.js";
import { joinRestart } from "./restart.js";
import { Screen, isBlank } from "./screen.js";
import { ask, explain } from "./server.js";

const LOOK_MS = { waiting: 120, watching: 1000 };
const ASK_MS = 1000;
const BACK_OFF_S = [1, 2, 4, 8, 15];
const SIGN_IN_AGAIN_MS = 30_000;
const READ_MS = 5000;
const STEADY_MS = 10_000; // a connection that lasted this long starts the back-off anew

const $ = (id) => document.getElementById(id);
const here = new URL(location.href.replace(/[?#].*$/, "").replace(/\/?$/, "/"));
const statusUrl = new URL("../p2m/status", here);
const socketUrl = Object.assign(new URL("websockify", here), { protocol: here.protocol.replace("http", "ws") });
const hubHome = document.querySelector('meta[name="p2m-hub-home"]').content;
const xsrf = document.querySelector('meta[name="p2m-xsrf"]').content;

let screen = null; // set while an attempt or a connection lives
let connected = false;
let connectedAt = 0;
let attempts = 0;
let retryAt = 0;
let retryTimer = 0;
let askedAt = 0;
let everSeen = false;
let words = { message: "Blender is starting…", detail: "", link: null, waiting: true };
let restarting = false;

const current = () => (connected ? screen : null);
const clipboard = joinClipboards({
  current,
  text: $("clipboard-text"),
  panel: $("clipboard-panel"),
  button: $("clipboard"),
  close: $("clipboard-close"),
});
joinFullScreen({ button: $("fullscreen"), current });
joinRestart({
  buttons: [$("restart"), $("restart-now")],
  url: new URL("../p2m/restart-blender", here),
  say(message, detail) {
    restarting = true;
    words = { message, detail, link: null, waiting: true };
    draw();
  },
  done(ok) {
    restarting = false;
    askedAt = ok ? 0 : Date.now() + READ_MS; // time to read why not
    retryNow();
  },
});
joinOnScreenKeyboard({ button: $("keyboard"), keys: $("keys"), current });
$("lab").hidden = window.parent !== window; // in a tab of JupyterLab

// The overlay

function draw() {
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const again = !connected && words.waiting && left > 0 && attempts > 1 ? `Trying again in ${left} s.` : "";
  setText($("message"), words.message);
  setText($("detail"), [words.detail, again].filter(Boolean).join(" "));
  $("retry").hidden = connected || words.final || !(again || (words.link === "home" && !words.waiting));
  $("restart-now").hidden = restarting || !words.restart;
  $("overlay").classList.toggle("still", !words.waiting);
  const link = $("link");
  const target = { home: hubHome, "sign-in": location.href }[words.link] ?? "";
  link.hidden = !target;
  if (target) {
    link.href = target;
    link.target = words.link === "home" ? "_top" : "_self"; // the hub's pages are no part of JupyterLab
    setText(link, words.link === "home" ? "Open the hub's home page" : "Sign in");
  }
}

// Screen readers announce each change: only write when there is one.
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function showOverlay(visible) {
  const overlay = $("overlay");
  overlay.classList.toggle("done", !visible);
  overlay.classList.toggle("veil", everSeen && !connected);
}

async function inquire() {
  if (restarting || Date.now() - askedAt < ASK_MS) {
    return;
  }
  askedAt = Date.now();
  words = explain(await ask(statusUrl, xsrf));
}

// The picture: of one colour means that Blender has not drawn yet, or is gone. While it is there nothing is asked:
// a page that polls would keep an idle server alive.

function look() {
  const picture = connected && !isBlank($("desktop"));
  if (picture) {
    everSeen = true;
  } else if (screen) {
    inquire().then(draw);
  }
  showOverlay(!picture);
  draw();
  setTimeout(look, picture ? LOOK_MS.watching : LOOK_MS.waiting);
}

// The connection

function connect() {
  clearTimeout(retryTimer);
  if (screen) {
    return;
  }
  attempts += 1;
  screen = new Screen($("desktop"), socketUrl.href);
  screen.addEventListener("connect", () => {
    connected = true;
    connectedAt = Date.now();
    screen.focus();
  });
  screen.addEventListener("clipboard", (event) => clipboard.fromBlender(event.detail.text));
  screen.addEventListener("disconnect", disconnected, { once: true });
}

async function disconnected() {
  if (connected && Date.now() - connectedAt > STEADY_MS) {
    attempts = 0;
  }
  connected = false;
  screen = null;
  askedAt = 0;
  await inquire();
  if (words.link === "sign-in") {
    signInAgain();
    return;
  }
  if (words.final) {
    draw();
    return; // attempts would keep an idle server alive
  }
  const delay = BACK_OFF_S[Math.min(attempts, BACK_OFF_S.length - 1)] * (attempts ? 1000 : 250);
  retryAt = Date.now() + delay;
  retryTimer = setTimeout(connect, delay);
}

// A server that was started anew does not know this page's cookie. Loading the page again gets a new one from the hub,
// without a question while the person is signed in there. If that was of no use a moment ago, it is the person's turn.
function signInAgain() {
  const tried = Number(sessionStorage.getItem("p2m-signed-in-again") ?? 0);
  if (Date.now() - tried > SIGN_IN_AGAIN_MS) {
    sessionStorage.setItem("p2m-signed-in-again", String(Date.now()));
    location.reload();
  }
}

function retryNow() {
  if (!connected) {
    connect();
  }
}

$("retry").addEventListener("click", retryNow);
window.addEventListener("online", retryNow);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    retryNow();
  }
});
window.addEventListener("pagehide", () => screen?.disconnect());

// The toolbar

function showTools(open) {
  $("tools").hidden = !open;
  $("handle").setAttribute("aria-expanded", String(open));
}
$("handle").addEventListener("click", () => showTools($("tools").hidden));
$("desktop").addEventListener("pointerdown", () => showTools(false), { capture: true });
$("tools").addEventListener("click", (event) => {
  if (event.target.closest("#fullscreen, #keyboard, #restart")) {
    showTools(false);
  }
});

// A key pressed while nothing has the focus is Blender's.
window.addEventListener("keydown", (event) => {
  if (event.target === document.body) {
    current()?.focus();
  }
});

connect();
look();
