/** The dye drop's own controls: let it spread, gather it again, stir again, and which shape it was. */

import { knows, t } from "./text.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
/** Seconds from the drop to the noise. */
const SWEEP = 7;
/** Two samples of 1,500 particles each are drawn as one cloud. */
const SAMPLES = 2;

export class Dye {
  /**
   * @param {{panel: import("./panel.js").Panel, stage: import("./stage.js").Stage,
   *   go: (input: object, settings: object) => void, branch: () => void}} parts
   *   branch: the run goes on from the playhead with new dice
   */
  constructor({ panel, stage, go, branch }) {
    this.panel = panel;
    this.stage = stage;
    this.go = go;
    this.input = {};
    /** @type {import("./run.js").Run | null} the run that was gathered, while its particles spread */
    this.gathered = null;
    byId("dye-branch").addEventListener("click", branch);
  }

  /** @param {number} [seed] */
  stir(seed = Math.floor(Math.random() * 1e6)) {
    this.go(this.input, { seed, samples: SAMPLES });
  }

  /** From the data to the noise: the playhead goes left. */
  async forward() {
    const [{ spread }, { endOf }] = await Promise.all([import("./dye_forward.js"), import("./particles_view.js")]);
    const { run } = this.panel;
    if (run?.source !== "computed") this.gathered = run;
    if (!this.gathered?.done) return;
    this.panel.attach(spread(this.gathered, endOf(this.gathered), Math.floor(Math.random() * 2 ** 32)));
    this.stage.refresh();
    if (still) this.stage.seek(0);
    else this.#sweep();
  }

  /** From noise to the data, as the sampler went. */
  reverse() {
    const { panel, stage } = this;
    if (panel.run?.source === "computed") panel.attach(this.gathered);
    if (!panel.run) return;
    stage.player.seek(0);
    if (still) stage.player.seek(1);
    else stage.player.play();
    stage.refresh();
  }

  #sweep() {
    const { stage } = this;
    const begun = performance.now();
    let at = 1;
    stage.seek(1);
    const move = (now) => {
      // Whoever takes the playhead, or stirs, ends this.
      if (stage.player.u !== at || stage.player.playing || this.panel.run?.source !== "computed") return;
      at = Math.min(1, Math.max(0, 1 - (now - begun) / 1000 / SWEEP)); // the first frame's time may lie before
      stage.seek(at);
      if (at > 0) requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
  }

  /** @param {import("./net.js").PipelineInfo | undefined} info */
  offer(info) {
    const buttons = (info?.available ? info.examples : []).map(({ label, input }) => {
      const text = knows(`dye.${label}`) ? t(`dye.${label}`) : label;
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => {
        this.#take(input);
        this.stir();
      });
      button.dataset.shape = input.shape;
      button.setAttribute("aria-pressed", "false");
      return button;
    });
    byId("dye-shapes").replaceChildren(...buttons);
    byId("dye-run").disabled = buttons.length === 0;
    byId("dye-branch").hidden = !info?.branches?.length;
  }

  /** What a link asks for: one of the shapes that are offered, else nothing. @param {string} shape @param {string} [seed] */
  choose(shape, seed) {
    if (!byId("dye-shapes").querySelector(`[data-shape="${CSS.escape(shape)}"]`)) return;
    this.#take({ shape });
    this.stir(seed === undefined ? undefined : Number(seed));
  }

  #take(input) {
    this.input = input;
    for (const button of byId("dye-shapes").children)
      button.setAttribute("aria-pressed", String(button.dataset.shape === input.shape));
  }

  /** @param {string} text "" takes it back */
  complain(text) {
    Object.assign(byId("dye-error"), { textContent: text, hidden: text === "" });
  }
}
