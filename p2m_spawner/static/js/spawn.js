// The page of a start under way: stages, progress, and the reason when it fails.

import { UserApi } from "./hub.js";
import { StageList } from "./stages.js";
import { eventText, failureReason } from "./words.js";

const page = document.getElementById("p2m-spawn");
const part = (id) => document.getElementById(id);
const stages = new StageList(part("spawn-stages"));
const api = new UserApi(page.dataset.apiUrl);
const stream = new EventSource(page.dataset.progressUrl);
const began = Date.now();
const clock = setInterval(() => {
  part("spawn-seconds").textContent = `${Math.round((Date.now() - began) / 1000)} s`;
}, 1000);

// "Try again" goes where this start was going
const next = new URLSearchParams(location.search).get("next");
if (next) part("try-again").search = new URLSearchParams({ next }).toString();

function showProgress(percent) {
  const bar = part("progress-bar");
  bar.style.width = `${percent}%`;
  bar.setAttribute("aria-valuenow", percent);
}

function log(text) {
  const line = document.createElement("div");
  line.className = "progress-log-event";
  line.textContent = text;
  part("progress-log").append(line);
}

function over() {
  stream.close();
  clearInterval(clock);
}

function fail(reason) {
  over();
  stages.fail();
  page.dataset.state = "failed";
  part("progress-bar").classList.add("bg-danger");
  part("spawn-title").textContent = "Blender did not start";
  part("progress-message").textContent = "";
  part("spawn-reason").textContent = reason;
  part("spawn-failed").hidden = false;
  part("stop-server-btn").hidden = true;
  part("progress-details").open = true;
  part("try-again").focus();
}

stream.onmessage = (message) => {
  const event = JSON.parse(message.data);
  const text = eventText(event);
  if (event.progress !== undefined) showProgress(event.progress);
  if (text) log(text);
  if (event.failed) {
    fail(failureReason(event));
  } else if (event.ready) {
    over();
    stages.done();
    page.dataset.state = "ready";
    part("spawn-title").textContent = "Ready";
    part("progress-message").textContent = "Opening…";
    location.reload(); // the hub sends the browser on to where it was going
  } else {
    stages.show(event);
    if (text) part("progress-message").textContent = text;
  }
};

stream.onerror = async () => {
  // the browser reconnects by itself, unless the hub refused: then the start is over, and the page itself knows how it ended
  if (stream.readyState === EventSource.CLOSED && page.dataset.state === "starting") {
    clearInterval(clock);
    setTimeout(() => location.reload(), 2000);
  }
};

part("stop-server-btn").addEventListener("click", async () => {
  const button = part("stop-server-btn");
  button.disabled = true;
  over();
  part("spawn-title").textContent = "Cancelling";
  part("progress-message").textContent = "The container is being taken down; your files stay.";
  try {
    await (page.dataset.serverName ? api.stopNamed(page.dataset.serverName) : api.stop());
    location.assign(page.dataset.homeUrl);
  } catch (problem) {
    fail(problem.message);
  }
});

window._jupyterhub_page_loaded = true;
