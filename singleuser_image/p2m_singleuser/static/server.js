// What the server says about itself, and how that reads in a sentence.

const PATIENCE_MS = 8000;

/**
 * Ask `p2m/status`. JupyterHub takes a cookie from a script only together with the page's XSRF token. The answer's `kind`
 * is one of: status, stopped, signed-out, unreachable, offline, unknown.
 */
export async function ask(url, xsrf) {
  let response;
  try {
    response = await fetch(url, {
      headers: { Accept: "application/json", "X-XSRFToken": xsrf },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    return { kind: "offline" };
  }
  const path = new URL(response.url).pathname;
  if (response.status === 401 || response.status === 403 || /\/(hub\/)?login$|\/oauth2\/authorize$/.test(path)) {
    return { kind: "signed-out" };
  }
  // The hub answers for a server that does not run.
  if (response.status === 424 || (response.status === 404 && path.includes("/hub/"))) {
    return { kind: "stopped" };
  }
  if (response.status >= 500) {
    return { kind: "unreachable" };
  }
  if (!response.ok || path.includes("/hub/")) {
    return { kind: response.status === 404 ? "unknown" : "stopped" };
  }
  try {
    return { kind: "status", status: await response.json() };
  } catch {
    return { kind: "unknown" };
  }
}

/**
 * Put an answer into words: `message` (a heading), `detail` (a sentence), `link` (home, sign-in or null),
 * `waiting` (whether it passes by itself), where that helps `restart` (Blender can be restarted), and `final` where
 * trying again is of no use as long as this server runs.
 */
export function explain(answer) {
  switch (answer.kind) {
    case "stopped":
      return {
        message: "Your server has stopped",
        detail: "Your scene was saved when it ended. Start the server again from the hub's home page.",
        link: "home",
        waiting: false,
      };
    case "signed-out":
      return { message: "You are signed out", detail: "Sign in again to go on.", link: "sign-in", waiting: false };
    case "unreachable":
      return {
        message: "Your server does not answer",
        detail: "It may be restarting or it may have stopped.",
        link: "home",
        waiting: true,
      };
    case "offline":
      return { message: "Network connection lost", detail: "Your server cannot be reached.", link: null, waiting: true };
    case "status":
      return explainStatus(answer.status);
    default:
      return { message: "Connecting to Blender…", detail: "", link: null, waiting: true };
  }
}

function explainStatus({ blender = {}, ui = {} }) {
  const reason = blender.reason ?? "";
  if (ui.state === "off") {
    return {
      message: "This server has no desktop",
      detail: "Its Blender runs without a window, for agents and notebooks.",
      link: "home",
      waiting: false,
      final: true,
    };
  }
  switch (blender.state) {
    case "failed":
      return {
        message: "Blender cannot be started",
        detail: reason || "It ended too often.",
        link: "home",
        waiting: false,
        restart: true,
      };
    case "restarting":
      return { message: "Blender is restarting…", detail: reason, link: null, waiting: true };
    case "ready":
    case "busy":
      return {
        message: ui.state === "down" ? "The desktop is starting…" : "Connecting to Blender…",
        detail: blender.state === "busy" ? reason : "",
        link: null,
        waiting: true,
        restart: blender.state === "busy",
      };
    default:
      return { message: "Blender is starting…", detail: "", link: null, waiting: true };
  }
}
