// The administrators' page: rows that stay where they are and change what they say, stop, restart, logs.

import { renderFacts, setText } from "./facts.js";
import { Gateway, signedOut } from "./gateway.js";
import { describeSession, endingFacts } from "./session_words.js";

const POLL_MS = 3000;
const TYPING_MS = 250;

const page = document.getElementById("sessions");
const part = (id) => document.getElementById(id);
const gateway = new Gateway(page.dataset);
const logDialog = new bootstrap.Modal(part("log-dialog"));

const which = { search: "", offset: 0, everybody: false };
const rows = new Map(); // by name: the row's elements
const busy = new Map(); // by name: what is being done to the server
let logOf = null; // whose logs are shown
let question = 0; // numbers the questions: an answer to an old one is not shown
let timer;

function complain(problem) {
  if (problem && signedOut(problem)) location.reload();
  part("problem").textContent = problem?.message ?? "";
  part("problem").hidden = !problem;
}

// Rows

function newRow(name) {
  const element = part("row").content.firstElementChild.cloneNode(true);
  const parts = Object.fromEntries([...element.querySelectorAll("[data-part]")].map((found) => [found.dataset.part, found]));
  const acts = Object.fromEntries([...element.querySelectorAll("[data-act]")].map((found) => [found.dataset.act, found]));
  element.dataset.user = name;
  parts.name.textContent = name;
  for (const [act, button] of Object.entries(acts)) button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  acts.log.addEventListener("click", () => openLog(name));
  acts.restart.addEventListener("click", () => restart(name));
  acts.stop.addEventListener("click", () => stop(name));
  return { element, parts, acts };
}

function showMeter(meter, { share }) {
  meter.hidden = share === null;
  if (share === null) return;
  Object.assign(meter, { max: 1, low: 0.75, high: 0.9, optimum: 0, value: share });
}

function paint(row) {
  const { element, parts, acts } = rows.get(row.name);
  const words = describeSession(row);
  const doing = busy.get(row.name);
  element.dataset.state = doing ? "starting" : words.dot;
  parts.admin.hidden = !row.admin;
  setText(parts.state, doing ?? words.state);
  setText(parts.detail, words.detail);
  setText(parts.memory, words.memory.text);
  setText(parts.cpu, words.cpu.text);
  setText(parts.activity, words.activity);
  setText(parts.jobs, words.jobs);
  parts.activity.title = row.last_activity ? new Date(row.last_activity).toLocaleString() : "";
  showMeter(parts["memory-meter"], words.memory);
  showMeter(parts["cpu-meter"], words.cpu);
  acts.restart.disabled = Boolean(doing) || row.state !== "ready";
  acts.stop.disabled = Boolean(doing) || !["ready", "starting"].includes(row.state);
}

function show({ rows: found, total, offset, limit }) {
  const names = new Set(found.map((row) => row.name));
  for (const [name, { element }] of rows) {
    if (names.has(name)) continue;
    element.remove();
    rows.delete(name);
  }
  const body = part("rows");
  found.forEach((row, index) => {
    if (!rows.has(row.name)) rows.set(row.name, newRow(row.name));
    const { element } = rows.get(row.name);
    if (body.children[index] !== element) body.insertBefore(element, body.children[index] ?? null);
    paint(row);
  });
  setText(part("nobody"), which.search ? "Nobody of this name." : which.everybody ? "There are no users." : "No server runs.");
  part("nobody").hidden = found.length > 0;
  setText(part("count"), found.length ? `${offset + 1}–${offset + found.length} of ${total}` : "");
  part("previous").disabled = offset === 0;
  part("next").disabled = offset + limit >= total;
}

async function refresh() {
  clearTimeout(timer);
  const asked = ++question;
  try {
    const answer = await gateway.get("sessions", which);
    if (asked !== question) return;
    if (!answer.rows.length && which.offset > 0) {
      which.offset = 0; // the servers of this page have stopped
      return refresh();
    }
    show(answer);
    complain(null);
  } catch (problem) {
    if (asked !== question) return;
    complain(problem);
  }
  if (logOf) await readLog();
  if (!document.hidden) timer = setTimeout(refresh, POLL_MS);
}

// Actions

async function act(name, doing, path) {
  busy.set(name, doing);
  refresh();
  let failure = null;
  try {
    await gateway.post(`sessions/${encodeURIComponent(name)}/${path}`);
  } catch (problem) {
    failure = problem;
  }
  busy.delete(name);
  await refresh();
  if (failure) complain(new Error(`${name}: ${failure.message}`));
}

function stop(name) {
  if (confirm(`Stop the server of ${name}? Blender saves the scene; what runs in it ends.`)) act(name, "Stopping", "stop");
}

function restart(name) {
  if (confirm(`Restart the Blender of ${name}? What it is working on now is lost.`)) {
    act(name, "Restarting Blender", "restart-blender");
  }
}

// Logs

function openLog(name) {
  logOf = name;
  setText(part("log-title"), `Logs of ${name}`);
  part("log").textContent = "";
  part("ending").hidden = true;
  logDialog.show();
  readLog();
}

async function readLog() {
  const name = logOf;
  const problem = part("log-problem");
  try {
    const { log, ending } = await gateway.get(`sessions/${encodeURIComponent(name)}/log`);
    if (logOf !== name) return;
    const output = part("log");
    const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
    setText(output, log || "There is no container.");
    if (atEnd) toEnd();
    part("ending").hidden = !ending;
    if (ending) {
      setText(part("ending-message"), ending.message ?? "");
      renderFacts(part("ending-facts"), endingFacts(ending));
      setText(part("ending-log"), ending.log || "It printed nothing.");
    }
    problem.hidden = true;
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

function toEnd() {
  part("log").scrollTop = part("log").scrollHeight;
}

part("log-dialog").addEventListener("shown.bs.modal", toEnd); // before, it has no height
part("log-dialog").addEventListener("hidden.bs.modal", () => {
  logOf = null;
});

// Filter and pages

let typing;
part("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    Object.assign(which, { search: part("search").value.trim(), offset: 0 });
    refresh();
  }, TYPING_MS);
});
part("everybody").addEventListener("change", () => {
  Object.assign(which, { everybody: part("everybody").value === "true", offset: 0 });
  refresh();
});
part("filter").addEventListener("submit", (event) => event.preventDefault());
part("previous").addEventListener("click", () => turn(-1));
part("next").addEventListener("click", () => turn(1));

function turn(direction) {
  which.offset = Math.max(0, which.offset + direction * Number(page.dataset.rows));
  refresh();
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
