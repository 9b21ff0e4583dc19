// What the sessions page says about a server, from a row of the gateway's answer. No DOM here.

const STATES = { stopped: "Stopped", starting: "Starting", ready: "Running", stopping: "Stopping" };

const UNITS = ["B", "kB", "MB", "GB", "TB"];

const isNumber = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0;

/** Bytes in a unit that suits them, as people set limits: 1 GB is 1024 MB. */
export function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1024 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : Number(value.toPrecision(2))} ${UNITS[power]}`;
}

/** Time since `when`, an ISO date, at `now`, in milliseconds. */
export function ago(when, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(when)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

/** Use of something against its limit: a text, and a share from 0 to 1 or null. */
function use(measure, say) {
  if (!isNumber(measure?.used)) return { text: "–", share: null };
  const limited = isNumber(measure.limit) && measure.limit > 0;
  const text = limited ? `${say(measure.used)} of ${say(measure.limit)}` : say(measure.used);
  return { text, share: limited ? Math.min(1, measure.used / measure.limit) : null };
}

const cores = (number) => String(Number(number.toFixed(2)));

function detail({ state, progress, blender, mcp, ending }) {
  if (state === "starting") return progress ?? "";
  if (state === "stopped") {
    if (!ending || ending.started_again) return "";
    const reason = String(ending.reason ?? "").replaceAll("_", " ");
    return ending.exit_code == null ? `Ended: ${reason}` : `Ended: ${reason}, exit code ${ending.exit_code}`;
  }
  if (state !== "ready") return "";
  if (!blender) return "It does not answer.";
  const parts = [`Blender ${blender.state}`];
  if (blender.reason) parts[0] += ` (${blender.reason})`;
  parts.push(mcp?.state === "ready" ? `${mcp.num_tools} tools` : "MCP down");
  if (blender.restarts) parts.push(`${blender.restarts} restart${blender.restarts === 1 ? "" : "s"}`);
  return parts.join(" · ");
}

/** How a row looks: `dot` is one of the states of `.p2m-status`. */
function dot({ state, blender, ending }) {
  if (state === "stopped") return ending && !ending.started_again ? "failed" : "stopped";
  if (state !== "ready") return state;
  return blender ? ({ ready: "ready", busy: "busy", failed: "failed" }[blender.state] ?? "starting") : "unknown";
}

function work(jobs) {
  if (!jobs.length) return "–";
  const running = jobs.find((job) => job.state === "running");
  const share = running && isNumber(running.progress) ? `, ${Math.floor(running.progress * 100)} %` : "";
  return `${jobs.length} ${jobs.length === 1 ? "render" : "renders"}${share}`;
}

/** Everything about a row in words. */
export function describeSession(row, now = Date.now()) {
  return {
    dot: dot(row),
    state: STATES[row.state] ?? row.state,
    detail: detail(row),
    memory: use(row.memory, size),
    cpu: use(row.cpu, cores),
    activity: row.last_activity ? ago(row.last_activity, now) : "never",
    jobs: work(row.jobs),
  };
}

/** Facts of an ending, for the log dialog. */
export function endingFacts(ending) {
  return [
    ["Reason", String(ending.reason ?? "").replaceAll("_", " ")],
    ["Exit code", ending.exit_code == null ? "not known" : String(ending.exit_code)],
    ["Out of memory", ending.out_of_memory ? "yes" : "no"],
    ["Ended", ending.ended_at ? new Date(ending.ended_at).toLocaleString() : "not known"],
    ...(ending.error ? [["Engine", ending.error]] : []),
  ];
}
