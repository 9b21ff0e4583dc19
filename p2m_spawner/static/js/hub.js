// The hub's REST API, as the pages need it: same origin, the browser's cookies, XSRF header.

const xsrf = () => window.jhdata.xsrf_token;

export class HubError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(url, { method = "GET", body, timeout = 30000 } = {}) {
  const headers = { "X-XSRFToken": xsrf(), Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(url, {
    method,
    headers,
    cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(timeout),
  });
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    // an HTML page: signed out, or a proxy's own error
  }
  if (!response.ok) {
    throw new HubError(response.status, answer?.message || `The hub answered ${response.status}.`);
  }
  return answer;
}

/** One user's corner of the hub's API; `apiUrl` is `/hub/api/users/NAME`. */
export class UserApi {
  constructor(apiUrl, endingUrl) {
    this.url = apiUrl;
    this.endingUrl = endingUrl;
  }

  /** The default server's model, or null when it is stopped. */
  async server() {
    const user = await request(this.url);
    return user?.servers?.[""] ?? null;
  }

  // The hub answers after `slow_spawn_timeout` at the latest, and goes on in the background.
  start() {
    return request(`${this.url}/server`, { method: "POST", timeout: 120000 });
  }

  stop() {
    return request(`${this.url}/server`, { method: "DELETE", timeout: 120000 });
  }

  stopNamed(name) {
    return request(`${this.url}/servers/${encodeURIComponent(name)}`, { method: "DELETE", timeout: 120000 });
  }

  progress() {
    return new EventSource(`${this.url}/server/progress?_xsrf=${encodeURIComponent(xsrf())}`);
  }

  /** The last event of a spawn that is over: it carries the reason of a failure. */
  async lastFailure() {
    const url = `${this.url}/server/progress`;
    const response = await fetch(url, {
      headers: { "X-XSRFToken": xsrf() },
      signal: AbortSignal.timeout(10000),
    });
    if (!response.ok) return null;
    const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: "));
    if (!lines.length) return null;
    const event = JSON.parse(lines.at(-1).slice("data: ".length));
    return event.failed ? event : null;
  }

  /** Why the default server does not run, in a sentence; empty when it was stopped in good order. */
  async ending() {
    const ending = await request(this.endingUrl).catch(() => null);
    return ending && !ending.started_again ? ending.message : "";
  }
}

// A user's server takes a cookie from a script only with an XSRF token of its own, which the hub's pages cannot read;
// a same-origin `no-cors` GET needs none, and follows the sign-in redirects of the first visit by itself.
const quietGet = (url) => fetch(url, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(8000) });

let signedIn = false;

/** What Blender says about itself, or null when it cannot be asked. */
export async function blenderStatus(userUrl) {
  const url = new URL("p2m/status?no_track_activity=1", new URL(userUrl, location.href));
  if (url.origin !== location.origin) return null;
  try {
    let response = await quietGet(url);
    if (response.status === 403 && !signedIn) {
      // an API answers 403 before the first visit, where a page redirects to sign in: visit one
      signedIn = true;
      await quietGet(new URL(userUrl, location.href));
      response = await quietGet(url);
    }
    const json = response.headers.get("Content-Type")?.includes("json");
    return response.ok && json ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * Restart Blender inside the running server. Its door takes a cookie only together with an XSRF token of that server,
 * which the desktop page carries.
 */
export async function restartBlender(userUrl) {
  const home = new URL(userUrl, location.href);
  const page = await quietGet(new URL("blender/", home));
  const desktop = new DOMParser().parseFromString(await page.text(), "text/html");
  const token = desktop.querySelector('meta[name="p2m-xsrf"]')?.content;
  if (!token) throw new HubError(page.status, "Your server does not answer. Stop it and start it again.");
  const response = await fetch(new URL("p2m/restart-blender", home), {
    method: "POST",
    headers: { "X-XSRFToken": token, Accept: "application/json" },
    signal: AbortSignal.timeout(120000),
  });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new HubError(response.status, answer.message || "Blender was not restarted. Stop the server and start it again.");
  }
}
