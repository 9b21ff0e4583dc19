// The Connect page: how Blender is, a test, tokens, configurations to copy, tokens and clients in use.

import { wireCopyButtons } from "./copy.js";
import { renderFacts, setText } from "./facts.js";
import { Gateway, signedOut } from "./gateway.js";
import { PLACEHOLDER, snippets, tokenUrl } from "./snippets.js";
import { describe } from "./words.js";

const POLL_MS = 3000;
const POLL_PENDING_MS = 700;

const page = document.getElementById("connect");
const part = (id) => document.getElementById(id);
const gateway = new Gateway(page.dataset);
const { gatewayUrl, directUrl } = page.dataset;

const MODES = Object.fromEntries([...part("agent-token-mode").options].map((option) => [option.value, option.dataset.short]));
const day = (when) => new Date(when).toLocaleDateString(undefined, { dateStyle: "medium" });

const view = { server: null, blender: undefined, progress: null, starting: false, offline: false };
const given = { token: PLACEHOLDER, mode: "full" };
let rawPort = null;
let timer;

// How Blender is

function render() {
  const words = describe(view);
  const status = part("server-status");
  if (status.dataset.state !== words.state) status.dataset.state = words.state;
  setText(part("status-title"), words.title);
  setText(part("status-detail"), view.server || view.offline || view.starting ? words.detail : "It starts by itself when a client connects.");
  renderFacts(part("status-facts"), words.facts);
  part("start").hidden = Boolean(view.server) || view.starting || view.offline;
}

async function refresh() {
  clearTimeout(timer);
  try {
    const state = await gateway.get("state");
    Object.assign(view, {
      server: state.server,
      blender: state.server?.ready ? state.blender : undefined,
      progress: state.progress ? { message: state.progress } : null,
      starting: Boolean(state.progress),
      offline: false,
    });
    if (state.raw_port !== rawPort) {
      rawPort = state.raw_port;
      fill();
    }
  } catch (problem) {
    if (signedOut(problem)) return location.reload();
    view.offline = true;
  }
  render();
  if (!document.hidden) timer = setTimeout(refresh, view.starting || view.server?.pending ? POLL_PENDING_MS : POLL_MS);
}

part("start").addEventListener("click", async () => {
  view.starting = true;
  render();
  try {
    await gateway.post("start");
  } catch (problem) {
    say("test-result", problem.message, "bad");
  }
  refresh();
});

function say(id, text, state) {
  const element = part(id);
  element.dataset.state = state;
  element.textContent = text;
  element.hidden = false;
}

part("test-connection").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  say("test-result", view.server?.ready ? "Asking for the tools…" : "Waking Blender, then asking for its tools…", "wait");
  try {
    const { num_tools: tools, milliseconds } = await gateway.post("test");
    say("test-result", `Connected: ${tools} tools, round trip ${milliseconds} ms.`, "ok");
  } catch (problem) {
    say("test-result", `Not connected. ${problem.message}`, "bad");
  }
  button.disabled = false;
  refresh();
});

// Configurations

function fill() {
  const texts = snippets({ gatewayUrl, directUrl, ...given, rawHost: "127.0.0.1", rawPort });
  for (const [kind, text] of Object.entries(texts)) setText(part(`config-${kind}`), text);
  part("tab-item-stdio").hidden = !texts.stdio;
  setText(part("agent-url"), tokenUrl({ gatewayUrl, directUrl, mode: given.mode }));
  // Claude Code leaves a token out where it could sign in, and a token that may do less works nowhere else.
  const limited = given.mode !== "full";
  part("claude-code-token").hidden = limited;
  part("claude-code-limited").hidden = !limited;
}

// Tokens

part("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [button, problem] = [part("create-token"), part("agent-token-problem")];
  button.disabled = true;
  problem.hidden = true;
  try {
    const made = await gateway.post("tokens", {
      name: part("agent-token-name").value,
      mode: part("agent-token-mode").value,
      days: Number(part("agent-token-days").value),
    });
    Object.assign(given, made);
    part("agent-token").textContent = made.token;
    part("agent-token-result").hidden = false;
    fill();
    list();
  } catch (error) {
    problem.textContent = `No token: ${error.message}`;
    problem.hidden = false;
  }
  button.disabled = false;
});

async function list() {
  let known;
  try {
    known = await gateway.get("tokens");
  } catch (problem) {
    say("lists-problem", problem.message, "bad");
    return;
  }
  part("lists-problem").hidden = true;
  show("tokens", "token", known.tokens, "No tokens. Make one above for a client that cannot sign in.");
  show("clients", "client", known.clients, "No clients have signed in.");
}

function show(id, kind, entries, nothing) {
  const rows = entries.map((entry) => row(kind, entry));
  if (!rows.length) {
    const empty = document.createElement("li");
    empty.textContent = nothing;
    empty.className = "p2m-hint";
    rows.push(empty);
  }
  part(id).replaceChildren(...rows);
}

function row(kind, entry) {
  const item = document.createElement("li");
  const [words, name, mode, button] = ["span", "strong", "span", "button"].map((tag) => document.createElement(tag));
  const used = entry.used ? `last used ${day(entry.used)}` : "never used";
  const ends = entry.expires ? `ends ${day(entry.expires)}` : "does not end";
  name.textContent = entry.name || "Token";
  mode.className = "badge p2m-badge";
  mode.textContent = MODES[entry.mode] ?? "does not open Blender";
  words.append(name, " ", mode, ` ${used} · ${ends}`);
  button.type = "button";
  button.className = "btn btn-sm btn-outline-danger";
  button.textContent = "Revoke";
  button.setAttribute("aria-label", `Revoke ${name.textContent}`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await gateway.post("tokens/revoke", { kind, id: entry.id });
    } catch (problem) {
      if (problem.status !== 404) say("lists-problem", problem.message, "bad");
    }
    list();
  });
  item.append(words, button);
  return item;
}

fill();
wireCopyButtons(page);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
list();
refresh();
