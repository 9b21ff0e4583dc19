// What the gateway's pages ask the gateway: same origin, the browser's cookie, and the page's own XSRF token.

export class GatewayError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Gateway {
  /** `prefix`: path of the gateway; `xsrf`: what the page was given. */
  constructor({ prefix, xsrf }) {
    this.prefix = prefix;
    this.xsrf = xsrf;
  }

  get(path, query = {}) {
    const text = new URLSearchParams(query).toString();
    return this.#ask("GET", text ? `${path}?${text}` : path);
  }

  post(path, body = {}) {
    return this.#ask("POST", path, JSON.stringify(body));
  }

  async #ask(method, path, body) {
    const headers = { "X-XSRFToken": this.xsrf, Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    const url = `${this.prefix}pages/${path}`;
    const response = await fetch(url, { method, headers, body, cache: "no-store", signal: AbortSignal.timeout(150000) });
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new GatewayError(response.status, answer?.message || `The hub answered ${response.status}.`);
    return answer;
  }
}

/** Whether an error says that the visitor is signed out, which reloading the page mends. */
export const signedOut = (problem) => problem.status === 401;
