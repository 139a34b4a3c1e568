/** What can be laid over a finished molecule: the experiment, a computed conformer, RDKit's answer. */

import { decode } from "./decode.js";
import { Refused, etkdg } from "./net.js";
import { said } from "./sentences.js";
import { number, t } from "./text.js";

/** Sticks by kind: they differ in width, not only in colour. */
const STICKS = {
  reference: { radius: 0.09, colour: "--ink" },
  computed: { radius: 0.05, colour: "--ink-2" },
  etkdg: { radius: 0.13, colour: "--tokens" },
};

export class References {
  /** @param {() => void} changed something else is to be laid over it */
  constructor(changed) {
    this.changed = changed;
    this.element = document.createElement("div");
    this.element.className = "references";
    this.buttons = Object.fromEntries(Object.keys(STICKS).map((kind) => [kind, this.#button(kind)]));
    this.element.append(...Object.values(this.buttons));
    this.run = null;
  }

  #button(kind) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "compare-reference" });
    button.dataset.kind = kind;
    button.textContent = t(`molecule.${kind}`);
    button.setAttribute("aria-pressed", "false");
    button.hidden = true;
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      if (kind === "etkdg" && pressed && !this.answer) this.#ask();
      else this.changed();
    });
    return button;
  }

  /** @param {import("./run.js").Run} run @param {boolean} alone whether it holds one organic molecule */
  follow(run, alone) {
    if (run === this.run) return;
    this.run = run;
    this.alone = alone;
    this.answer = null;
    const { etkdg: button } = this.buttons;
    button.textContent = t("molecule.etkdg");
    button.disabled = false;
    button.setAttribute("aria-pressed", "false");
  }

  async #ask() {
    const { run } = this;
    const button = this.buttons.etkdg;
    button.disabled = true;
    button.textContent = t("molecule.etkdg.asking");
    try {
      const answer = await etkdg(run.id);
      if (run !== this.run) return;
      this.answer = { ...answer, values: decode(answer.xyz).values };
      const told = { seconds: number(answer.seconds), rmsd: number(answer.rmsd) };
      button.textContent = t("molecule.etkdg.said", told);
      button.disabled = false;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (run !== this.run) return;
      button.setAttribute("aria-pressed", "false");
      const reason = error.problems[0] ? await said(error.problems[0].message) : t("error.unreachable");
      button.textContent = t("molecule.etkdg.none", { reason });
    }
    this.changed();
  }

  /**
   * Which of them are offered now. @param {any} done of the finished run, null while there is noise
   * @param {number} sample everything is laid onto the first
   */
  offer(done, sample) {
    const { reference, computed, etkdg: rdkit } = this.buttons;
    const first = done !== null && sample === 0;
    reference.hidden = !(first && done.reference);
    reference.title = done?.reference_name ?? "";
    computed.hidden = !(first && done.computed);
    computed.title = done?.computed_name ?? "";
    rdkit.hidden = !(first && this.alone && this.run.source === "live" && this.run.id);
    this.done = first ? done : null;
  }

  /** @returns {{values: ArrayLike<number>, colour: string, radius: number}[]} what is switched on */
  get shapes() {
    const { done } = this;
    if (!done) return [];
    const held = { reference: done.reference, computed: done.computed };
    return Object.entries(this.buttons)
      .filter(([, button]) => !button.hidden && button.getAttribute("aria-pressed") === "true")
      .map(([kind]) => ({ kind, values: kind === "etkdg" ? this.answer?.values : decode(held[kind]).values }))
      .filter(({ values }) => values)
      .map(({ kind, values }) => {
        const { colour, ...stick } = STICKS[kind];
        return { values, ...stick, colour: getComputedStyle(this.element).getPropertyValue(colour).trim() };
      });
  }
}
