/** The controls of one schedule. */

import { pointsOf } from "./lab_curve.js";
import { KINDS, levelsOf } from "./lab_schedules.js";
import { NUMBERS, ROOM, SAMPLERS, hasEnds, kept, limitsOf, published, unpublished, within } from "./lab_state.js";
import { t } from "./text.js";

/** @typedef {import("./lab_schedules.js").Side} Side */

const MAIN = ["steps", "top", "bottom", "rho"];
const MORE = ["gamma_0", "gamma_min", "step_scale", "noise_scale", "guidance"];

export class SideControls {
  /**
   * @param {HTMLElement} root a fieldset with its legend @param {"a" | "b"} which
   * @param {(side: Side) => void} changed
   */
  constructor(root, which, changed) {
    this.changed = changed;
    this.which = which;
    this.kind = select(KINDS.map((kind) => [kind, t(`lab.kind.${kind}`)]));
    this.sampler = select([["", t("lab.own")], ...SAMPLERS.map((name) => [name, t(`lab.sampler.${name}`)])]);
    this.inputs = Object.fromEntries([...MAIN, ...MORE].map((name) => [name, this.#input(name)]));
    this.rows = {};
    const row = (name, control) => {
      const label = Object.assign(document.createElement("label"), { className: "lab-row" });
      label.append(Object.assign(document.createElement("span"), { textContent: t(`lab.${name}`) }), control);
      this.rows[name] = label;
      return label;
    };
    this.more = document.createElement("details");
    const summary = Object.assign(document.createElement("summary"), { textContent: t("lab.more") });
    this.more.append(summary, row("sampler", this.sampler), ...MORE.map((name) => row(name, this.inputs[name])));
    root.append(row("kind", this.kind), ...MAIN.map((name) => row(name, this.inputs[name])), this.more);
    this.kind.addEventListener("input", () => this.#choose(this.kind.value));
    this.sampler.addEventListener("input", () => this.#set("sampler", this.sampler.value || null));
  }

  #input(name) {
    const { whole, free } = NUMBERS[name];
    const input = Object.assign(document.createElement("input"), { type: "number" });
    input.step = whole ? "1" : "any";
    if (free) input.placeholder = t("lab.own");
    input.addEventListener("input", () => {
      const value = input.value === "" ? null : Number(input.value);
      const { least, most } = limitsOf(name, this.models);
      const fits = value === null ? free : value >= least && value <= most && (!whole || Number.isInteger(value));
      input.setAttribute("aria-invalid", String(!fits));
      if (fits) this.#set(name, value);
    });
    // What cannot be used becomes the nearest that can.
    input.addEventListener("change", () => {
      if (input.value !== "" && input.getAttribute("aria-invalid") === "true") this.#set(name, within(name, Number(input.value), limitsOf(name, this.models)));
      this.show(this.side, this.models);
    });
    return input;
  }

  #set(name, value) {
    this.changed(kept({ ...this.side, [name]: value }));
  }

  /** Another kind begins where the last one was. */
  #choose(kind) {
    const before = this.side.kind === "af3" ? unpublished(this.side) : this.side;
    if (kind === "af3") this.changed(published(before));
    else if (kind === "drawn") this.changed({ ...before, kind, points: pointsOf(levelsOf(this.side), ROOM) });
    else this.changed({ ...before, kind });
  }

  /** @param {Side} side @param {import("./lab_asked.js").LabModel[]} models whose bounds hold */
  show(side, models) {
    this.side = side;
    this.models = models;
    this.kind.value = side.kind;
    this.sampler.value = side.sampler ?? "";
    for (const [name, input] of Object.entries(this.inputs)) {
      const { least, most } = limitsOf(name, models);
      Object.assign(input, { min: least, max: most });
      if (document.activeElement === input && input.getAttribute("aria-invalid") === "true") continue;
      const value = side[name] === null ? "" : String(Number(side[name].toPrecision(4)));
      if (Number(input.value) !== Number(value) || (input.value === "") !== (value === "")) input.value = value;
      input.removeAttribute("aria-invalid");
    }
    this.rows.top.hidden = this.rows.bottom.hidden = !hasEnds(side);
    this.rows.rho.hidden = side.kind !== "karras";
  }
}

/** @param {[string, string][]} options */
function select(options) {
  const element = document.createElement("select");
  for (const [value, text] of options) element.append(new Option(text, value));
  return element;
}
