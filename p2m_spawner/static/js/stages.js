// The list of stages a start goes through. Each event of ours names its stage (`event.stage`).

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
    const index = this.items.findIndex((item) => item.dataset.stage === event.stage);
    if (index < 0) return; // the hub's own events have none
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
