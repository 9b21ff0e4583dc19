// The "Connect an agent" panel: address, token, ready configurations, tokens in use.

import { wireCopyButtons } from "./copy.js";
import { PLACEHOLDER, snippets } from "./snippets.js";

const NOTE = "MCP agent";

const day = (when) => new Date(when).toLocaleDateString(undefined, { dateStyle: "medium" });

export class ConnectPanel {
  constructor(element, { api, userName, userUrl }) {
    this.element = element;
    this.api = api;
    this.scopes = [`access:servers!server=${userName}/`];
    this.url = new URL("p2m/mcp", new URL(userUrl, location.href)).href;
    this.#part("agent-url").textContent = this.url;
    this.#fill(null);
    wireCopyButtons(element);

    element.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
    element.addEventListener("show.bs.modal", () => this.#listTokens());
    element.addEventListener("hidden.bs.modal", () => this.#forget());
  }

  /** Agents reach Blender only while the server runs. */
  setRunning(running) {
    this.#part("agent-needs-server").hidden = running;
  }

  #part(id) {
    return this.element.querySelector(`#${id}`);
  }

  #fill(token) {
    const texts = snippets(this.url, token ?? PLACEHOLDER);
    for (const [kind, text] of Object.entries(texts)) {
      this.#part(`agent-config-${kind}`).textContent = text;
    }
  }

  #forget() {
    this.#part("agent-token").textContent = "";
    this.#part("agent-token-result").hidden = true;
    this.#part("agent-token-error").hidden = true;
    this.#fill(null);
  }

  async #create() {
    const button = this.#part("create-token");
    const error = this.#part("agent-token-error");
    const days = Number(this.#part("agent-token-days").value);
    button.disabled = true;
    error.hidden = true;
    try {
      const answer = await this.api.createToken({
        note: `${NOTE} – ${new Date().toISOString().slice(0, 10)}`,
        expires_in: days ? days * 86400 : null,
        scopes: this.scopes,
      });
      this.#part("agent-token").textContent = answer.token;
      this.#part("agent-token-result").hidden = false;
      this.#fill(answer.token);
      this.#listTokens();
    } catch (problem) {
      error.textContent = `No token: ${problem.message}`;
      error.hidden = false;
    } finally {
      button.disabled = false;
    }
  }

  async #listTokens() {
    const list = this.#part("agent-tokens");
    let tokens;
    try {
      tokens = (await this.api.tokens()).filter((token) => token.note?.startsWith(NOTE));
    } catch {
      return; // the hub's token page has them all
    }
    list.replaceChildren(...tokens.reverse().map((token) => this.#tokenRow(token)));
    this.#part("agent-tokens-area").hidden = tokens.length === 0;
  }

  #tokenRow(token) {
    const row = document.createElement("li");
    const words = document.createElement("span");
    const used = token.last_activity ? `last used ${day(token.last_activity)}` : "never used";
    const ends = token.expires_at ? `ends ${day(token.expires_at)}` : "does not end";
    const note = document.createElement("strong");
    note.textContent = token.note;
    words.append(note, ` · ${used} · ${ends}`);
    const revoke = document.createElement("button");
    revoke.type = "button";
    revoke.className = "btn btn-sm btn-outline-danger";
    revoke.textContent = "Revoke";
    revoke.setAttribute("aria-label", `Revoke ${token.note}`);
    revoke.addEventListener("click", async () => {
      revoke.disabled = true;
      try {
        await this.api.revokeToken(token.id);
        this.#listTokens();
      } catch (problem) {
        revoke.disabled = false;
        revoke.title = problem.message;
      }
    });
    row.append(words, revoke);
    return row;
  }
}
