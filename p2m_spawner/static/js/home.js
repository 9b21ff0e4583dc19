// The user's home page: live status, start and stop.

import { renderFacts, setText } from "./facts.js";
import { UserApi, blenderStatus, restartBlender } from "./hub.js";
import { StageList } from "./stages.js";
import { describe, desktopWords } from "./words.js";

const POLL_MS = 4000;
const POLL_PENDING_MS = 700;
const POLL_UNATTENDED_MS = 30000;
const LONGEST_WAIT_MS = 3000;
// Asking a server how it is counts as use of it: stop asking when nobody is at the page, so that idle servers may be culled.
const ATTENTION_MS = 2 * 60 * 1000;

const home = document.getElementById("p2m-home");
const { userUrl, apiUrl, spawnUrl, lastSpawn, ending, endingUrl } = home.dataset;
const part = (id) => document.getElementById(id);
const api = new UserApi(apiUrl, endingUrl);
const stages = new StageList(part("spawn-stages"));
const stopDialog = new bootstrap.Modal(part("stop-dialog"));

const view = {
  server: home.dataset.active === "true" ? { ready: home.dataset.ready === "true", pending: null } : null,
  blender: undefined,
  progress: null,
  failure: null,
  ending,
  starting: false,
  stopping: false,
  restarting: false,
  restartFailure: "",
  offline: false,
};
let stream = null;
let asking = null; // the question for Blender's status that is under way
let lastInput = Date.now();
let timer;

const attended = () => Date.now() - lastInput < ATTENTION_MS;

function render() {
  const words = describe(view);
  const status = part("server-status");
  if (status.dataset.state !== words.state) status.dataset.state = words.state;
  setText(part("status-title"), words.title);
  setText(part("status-detail"), words.detail);
  renderFacts(part("status-facts"), words.facts);

  const spawning = view.starting || view.server?.pending === "spawn";
  const running = Boolean(view.server?.ready) && !view.stopping;
  part("status-progress").hidden = !spawning;
  const percent = view.progress?.progress ?? 0;
  part("progress-bar").style.width = `${percent}%`;
  part("progress-bar").parentElement.setAttribute("aria-valuenow", percent);

  document.querySelector("[data-action=start]").hidden = running || spawning || words.state === "stopping";
  document.querySelector("[data-action=stop]").hidden = !(running || spawning);
  part("restart-blender").hidden = !words.restart;
  for (const link of document.querySelectorAll("[data-open]")) {
    const target = userUrl + link.dataset.open;
    link.href = running ? target : `${spawnUrl}?next=${encodeURIComponent(target)}`;
  }
  // While it is not known which Blender runs, the card stays as it is.
  if (!running || view.blender) {
    setText(part("open-blender-text"), desktopWords(running ? view.blender : null));
    part("open-blender").classList.toggle("p2m-card-off", running && view.blender.ui?.state === "off");
  }
  if (!running) part("newer-image")?.remove(); // the next start has it
}

function follow() {
  if (stream) return;
  stages.reset();
  stream = api.progress();
  stream.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.failed) view.failure = event;
    else view.progress = event;
    stages.show(event);
    if (event.ready || event.failed) {
      unfollow();
      refresh();
    }
    render();
  };
  stream.onerror = () => {
    if (stream?.readyState === EventSource.CLOSED) unfollow();
  };
}

function unfollow() {
  stream?.close();
  stream = null;
}

async function refresh() {
  clearTimeout(timer);
  try {
    const server = await api.server();
    if (view.server && !server && !view.stopping) view.ending = await api.ending();
    view.server = server;
    view.offline = false;
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) {
      location.reload(); // signed out
      return;
    }
    view.offline = true;
  }
  if (!view.offline) {
    if (view.server?.pending === "spawn") {
      view.failure = null;
      follow();
    }
    if (view.server?.ready) {
      view.progress = null;
      view.failure = null;
      view.ending = "";
      if (attended()) {
        asking = blenderStatus(userUrl);
        view.blender = await asking;
        asking = null;
        if (view.blender?.ready) view.restartFailure = "";
      }
    } else {
      view.blender = undefined;
    }
  }
  render();
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden) return;
  const pending = view.starting || view.stopping || view.server?.pending;
  timer = setTimeout(refresh, pending ? POLL_PENDING_MS : attended() ? POLL_MS : POLL_UNATTENDED_MS);
}

function noticeInput() {
  const back = !attended();
  lastInput = Date.now();
  if (back) refresh();
}

async function start() {
  Object.assign(view, { starting: true, failure: null, ending: "", progress: null });
  render();
  schedule();
  try {
    await api.start();
  } catch (problem) {
    // 400: it is starting or running already, and the next refresh shows it
    if (problem.name !== "TimeoutError") {
      view.failure = (await api.lastFailure().catch(() => null)) ?? { message: problem.message };
    }
  }
  view.starting = false;
  refresh();
}

async function stop() {
  Object.assign(view, { stopping: true, failure: null, ending: "" });
  unfollow();
  render();
  schedule();
  try {
    await api.stop();
  } catch (problem) {
    view.failure = { message: problem.message };
  }
  view.stopping = false;
  refresh();
}

async function restart() {
  if (view.blender?.blender?.state === "busy" && !confirm("Restart Blender? What it is working on now is lost.")) return;
  Object.assign(view, { restarting: true, restartFailure: "" });
  render();
  try {
    await restartBlender(userUrl);
  } catch (problem) {
    view.restartFailure = problem.message;
  }
  view.restarting = false;
  refresh();
}

part("restart-blender").addEventListener("click", restart);
document.querySelector("[data-action=start]").addEventListener("click", (event) => {
  event.preventDefault();
  if (window.jhdata.options_form) location.assign(event.currentTarget.href);
  else start();
});
document.querySelector("[data-action=stop]").addEventListener("click", () => stopDialog.show());
part("confirm-stop").addEventListener("click", () => {
  stopDialog.hide();
  stop();
});

// The first question signs in at the person's server. A page of that server opened meanwhile would sign in as well, and
// one of the two would be refused: the click waits.
for (const link of document.querySelectorAll("[data-open]")) {
  link.addEventListener("click", async (event) => {
    if (!asking || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    await Promise.race([asking, new Promise((resolve) => setTimeout(resolve, LONGEST_WAIT_MS))]);
    location.assign(link.href);
  });
}

for (const type of ["pointermove", "pointerdown", "keydown", "scroll", "focus"]) {
  window.addEventListener(type, noticeInput, { passive: true });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  lastInput = Date.now();
  refresh();
});

if (lastSpawn === "failed") view.failure = await api.lastFailure().catch(() => null);
await refresh();
window._jupyterhub_page_loaded = true;
