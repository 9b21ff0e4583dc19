// The list of stages a start goes through. An event may name its stage (`event.stage`); if not, its words tell.

const WORDS = [
  ["mcp", /\bMCP\b|\btools?\b/i],
  ["image", /\bimage\b|\bpull/i],
  ["container", /\bcontainer\b|\bvolume\b|\bnetwork\b/i],
  ["display", /\bdisplay\b|\bdesktop\b|\bJupyterLab\b/i],
  ["blender", /\bblender\b/i],
];

export function stageOf(event) {
  if (event.stage) return event.stage;
  return WORDS.find(([, words]) => words.test(event.message ?? ""))?.[0] ?? null;
}

export class StageList {
  constructor(list) {
    this.items = [...list.querySelectorAll("[data-stage]")];
    this.reset();
  }

  reset() {
    this.current = -1;
    this.#paint("current");
  }

  show(event) {
    const stage = stageOf(event);
    const index = this.items.findIndex((item) => item.dataset.stage === stage);
    if (index < 0 || (index < this.current && !event.stage)) return;
    this.current = index;
    this.#paint("current");
  }

  done() {
    this.current = this.items.length;
    this.#paint("current");
  }

  fail() {
    this.current = Math.max(this.current, 0);
    this.#paint("failed");
  }

  #paint(currentState) {
    this.items.forEach((item, index) => {
      const state = index < this.current ? "done" : index === this.current ? currentState : "waiting";
      item.dataset.state = state;
      if (state === "current") item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  }
}
