// What the pages say, from what the hub and Blender report. No DOM here.

const baseName = (path) => path.split("/").at(-1);

/** Text of an event of the hub's progress stream. */
export function eventText(event) {
  if (event.message) return event.message;
  return new DOMParser().parseFromString(event.html_message ?? "", "text/html").body.textContent;
}

/** The reason of a failure, without what the hub puts before it: "Spawn failed: 400 SpawnException(reason=…): ". */
export function failureReason(event) {
  const text = eventText(event)
    .replace(/^Spawn failed:?\s*/, "")
    .replace(/^\d{3} SpawnException\(reason=[^)]*\):\s*/, "")
    .trim();
  return text && text !== "None" ? text : "No reason was given; the administrator finds it in the hub's log.";
}

/** What the card that opens the desktop says: not each Blender has a window. */
export function desktopWords(blender) {
  return blender?.ui?.state === "off"
    ? "This server has no desktop: its Blender runs without a window."
    : "Your desktop, right here in the browser. Nothing to install.";
}

function blenderWords({ blender, mcp, ui }) {
  switch (blender?.state) {
    case "starting":
      return { state: "starting", title: "Blender is starting", detail: "The container is up; Blender follows in a moment." };
    case "restarting":
      return { state: "starting", title: "Blender is restarting", detail: blender.reason || "It ended unexpectedly and comes back by itself." };
    case "failed":
      return {
        state: "failed",
        title: "Blender does not start",
        detail: blender.reason || "Stop the server and start it again.",
        restart: true,
      };
    case "busy":
      return {
        state: "busy",
        title: "Blender is busy",
        detail: blender.reason ? `${blender.reason}. Wait, or restart it.` : "It answers again when it is done.",
        restart: true,
      };
    default:
      if (mcp?.state === "down") {
        return { state: "ready", title: "Blender is ready", detail: "Its door for agents is not open yet." };
      }
      if (ui?.state === "off") {
        return { state: "ready", title: "Blender is ready", detail: "It has no window: use it in a notebook, or let an agent work in it." };
      }
      return { state: "ready", title: "Blender is ready", detail: "Open it here, in a notebook, or let an agent work in it." };
  }
}

function blenderFacts({ blender, mcp }) {
  const facts = [];
  if (blender?.version) facts.push(["Blender", blender.version]);
  if (blender?.state) facts.push(["File", blender.file ? baseName(blender.file) : "not saved yet"]);
  if (mcp?.state === "ready") facts.push(["Tools for agents", String(mcp.num_tools)]);
  if (blender?.restarts) facts.push(["Restarts", String(blender.restarts)]);
  return facts;
}

/**
 * Words for the server's state.
 * `server`: the hub's model or null; `blender`: /p2m/status or null; `progress`, `failure`: events of the stream;
 * `ending`: why the server does not run; `restartFailure`: why Blender was not restarted.
 * `restart` in the answer: restarting Blender is a way out.
 */
export function describe(view) {
  const { server, blender, progress, failure, ending, starting, stopping, restarting, restartFailure, offline } = view;
  if (offline) {
    return { state: "unknown", title: "The hub does not answer", detail: "Trying again…", facts: [] };
  }
  if (stopping || server?.pending === "stop") {
    return { state: "stopping", title: "Stopping", detail: "Blender saves your work, then the container goes.", facts: [] };
  }
  if (starting || server?.pending === "spawn") {
    const detail = progress ? eventText(progress) : "The hub prepares your container.";
    return { state: "starting", title: "Starting", detail, facts: [] };
  }
  if (server?.pending === "check") {
    const detail = "The hub was restarted and looks how your Blender is.";
    return { state: "starting", title: "One moment", detail, facts: [] };
  }
  if (server?.ready) {
    if (restarting) {
      const detail = "It comes back with your scene as it was saved last.";
      return { state: "starting", title: "Blender is restarting", detail, facts: [] };
    }
    if (restartFailure) {
      return { state: "failed", title: "Blender was not restarted", detail: restartFailure, facts: [], restart: true };
    }
    if (blender === undefined) {
      return { state: "running", title: "Running", detail: "Asking Blender how it is…", facts: [] };
    }
    if (blender === null) {
      return { state: "running", title: "Running", detail: "Blender gives no details right now.", facts: [] };
    }
    return { ...blenderWords(blender), facts: blenderFacts(blender) };
  }
  if (failure) {
    return { state: "failed", title: "The last start failed", detail: failureReason(failure), facts: [] };
  }
  if (ending) {
    return { state: "failed", title: "Blender is not running", detail: ending, facts: [] };
  }
  return {
    state: "stopped",
    title: "Blender is not running",
    detail: "Your files are kept. Opening Blender or JupyterLab starts it, in a few seconds.",
    facts: [],
  };
}
