/** One panel: a run, its view, and the words around it. */

import { frameAt, stageAt } from "./timeline.js";
import { knows, number, t } from "./text.js";

/**
 * @typedef {{start: (run: any) => void, show: (shown: object) => void, restyle: () => void}} View
 */

export class Panel {
  /**
   * @param {HTMLElement} root @param {string} id pipeline
   * @param {(places: Record<string, HTMLElement>) => View} makeView
   */
  constructor(root, id, makeView) {
    this.id = id;
    this.root = root;
    this.name = t(`${id}.title`);
    const place = (role) => root.querySelector(`[data-role="${role}"]`);
    this.places = {
      noisy: place("noisy"),
      estimate: place("estimate"),
      foot: place("foot"),
      status: place("status"),
      samples: place("samples"),
      notes: place("notes"),
      scores: place("scores"),
      subject: place("subject"),
      origin: root.querySelector(".origin"),
    };
    this.view = makeView(this.places);
    if (this.places.status) this.places.status.textContent = t("status.empty");
    /** @type {import("./run.js").Run | null} */
    this.run = null;
    this.sample = 0;
    this.shown = {};
  }

  /** @param {import("./run.js").Run} run */
  attach(run) {
    this.run = run;
    this.sample = 0;
    this.shown = {};
    const { origin } = this.places;
    origin.hidden = false;
    origin.dataset.origin = run.source;
    origin.textContent = t(`origin.${run.source}`);
    this.#samples();
    if (run.start) this.started();
    else this.view.start(run);
    this.ended();
  }

  /** The start event has come. */
  started() {
    this.view.start(this.run);
    const notes = [...(this.run.start.notes ?? [])];
    if (knows(`training.${this.run.start.training}`)) notes.push(t(`training.${this.run.start.training}`));
    const items = notes.map((note) => Object.assign(document.createElement("li"), { textContent: note }));
    this.places.notes?.replaceChildren(...items);
    const { subject } = this.places;
    if (subject) subject.textContent = subject.title = this.run.start.title ?? "";
    this.shown = {};
  }

  /** The run has ended, or has not yet: scores. */
  ended() {
    const { scores } = this.places;
    if (!scores) return;
    const { done } = this.run;
    const parts = [];
    const rmsd = done?.scores?.rmsd_to_reference ?? done?.scores?.rmsd;
    if (typeof rmsd === "number") parts.push(t("score.rmsd", { value: number(rmsd) }));
    if (typeof done?.scores?.lddt === "number") parts.push(t("score.lddt", { value: number(done.scores.lddt) }));
    if (typeof done?.scores?.stereo === "boolean") parts.push(t(`score.stereo.${done.scores.stereo}`));
    scores.hidden = parts.length === 0;
    scores.textContent = t("score.final", { scores: parts.join(" · ") });
  }

  #samples() {
    const { samples } = this.places;
    if (!samples) return;
    samples.hidden = this.run.samples < 2;
    const buttons = Array.from({ length: this.run.samples }, (_, k) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = String(k + 1);
      button.setAttribute("aria-label", t("samples.one", { n: k + 1 }));
      button.setAttribute("aria-pressed", String(k === this.sample));
      button.addEventListener("click", () => {
        this.sample = k;
        this.shown = {};
        buttons.forEach((other, i) => other.setAttribute("aria-pressed", String(i === k)));
        this.update(this.level);
      });
      return button;
    });
    samples.replaceChildren(...buttons);
  }

  /**
   * Shows the frame that belongs to a noise level. @param {number} level -Infinity is the data end
   * @returns {boolean} whether something changed
   */
  update(level) {
    this.level = level;
    if (!this.run) return false;
    const { run } = this;
    const final = level === -Infinity && run.done ? run.done.sample : null;
    const stage = stageAt(run.pictureStages, level);
    const frame = stage ? frameAt(stage.frames, level) : null;
    // Nothing of the picture yet: the strip shows the newest of what is being chosen.
    const stripFrames = run.stripStage?.frames ?? [];
    const strip = frame || final ? frameAt(stripFrames, level) : (stripFrames.at(-1) ?? null);
    if (this.shown.frame === frame && this.shown.final === final && this.shown.strip === strip) return false;
    this.shown = { run, frame, final, strip, sample: this.sample };
    this.view.show(this.shown);
    if (this.places.status) this.places.status.textContent = this.#status();
    return true;
  }

  #status() {
    const { run, frame, final, strip } = { ...this.shown, run: this.run };
    if (final) {
      const seconds = run.done.timings?.total_s;
      const steps = run.pictureStages.reduce((sum, { frames }) => sum + (frames.at(-1)?.steps ?? 0), 0);
      const words = t("status.done", { steps });
      return run.source === "live" && seconds ? `${words}, ${t("score.time", { value: number(seconds) })}` : words;
    }
    if (frame) {
      const stage = run.pictureStages.length > 1 ? t(`stage.${frame.stage}`) : "";
      return t("status.step", { stage, step: frame.step + 1, steps: frame.steps });
    }
    if (strip) return t("status.prior", { step: strip.step + 1, steps: strip.steps });
    if (run.error) return t("status.stopped");
    return t("status.waiting");
  }

  restyle() {
    this.shown = {};
    this.view.restyle();
    if (this.run) this.update(this.level);
  }
}
