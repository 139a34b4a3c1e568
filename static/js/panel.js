/** One panel: a run, its view, and the words around it. */

import { showReading } from "./reading.js";
import { SettledMarks } from "./settled_marks.js";
import { frameAt, stageAt } from "./timeline.js";
import { tell } from "./sentences.js";
import { knows, listed, number, percent, t } from "./text.js";

/**
 * @typedef {{start: (run: any) => void, show: (shown: object) => void, restyle: () => void}} View
 */

/** Seconds without a frame after which a run says that it is still being computed. */
const QUIET = 3;

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
      reading: place("reading"),
      origin: root.querySelector(".origin"),
      choose: (k) => this.choose(k),
    };
    this.view = makeView(this.places);
    const head = root.querySelector(".panel-head");
    this.settled = head ? new SettledMarks(head) : null;
    if (this.places.status) this.places.status.textContent = t("status.empty");
    /** @type {import("./run.js").Run | null} */
    this.run = null;
    this.sample = 0;
    this.alone = false;
    /** what a link wants of the run it starts @type {{source: string, sample?: number, alone?: boolean, turn?: number[]} | undefined} */
    this.due = undefined;
    this.shown = {};
    /** the other track of a forked run @type {import("./branch_ghost.js").Ghost | null} */
    this.ghost = null;
    /** called when another run or sample is shown, or its run has ended */
    this.chosen = () => {};
    /** called once when a run has been silent for long, with the words */
    this.hushed = (_words) => {};
    /** called with what is shown when the playhead has changed it */
    this.moved = () => {};
  }

  /** Another title. @param {string} key */
  call(key) {
    this.name = t(key);
    this.root.querySelector("h2").textContent = this.name;
  }

  /** @param {import("./run.js").Run} run */
  attach(run) {
    if (this.refusal) this.refuse("");
    // Of a run's two tracks the same sample is looked at.
    const kin = this.run?.root === run.root;
    this.run = run;
    if (!kin) {
      this.ghost?.leave();
      this.ghost = null;
      // What a link wants to see is about the run that it starts, not about the one that waits in its place.
      const due = this.due?.source === run.source ? this.due : {};
      if (this.due?.source === run.source) this.due = undefined;
      this.sample = Math.min(due.sample ?? 0, run.samples - 1);
      this.alone = Boolean(due.alone);
      this.facing = due.turn;
    }
    this.shown = {};
    const { origin } = this.places;
    origin.hidden = false;
    origin.dataset.origin = run.source;
    origin.textContent = t(`origin.${run.source}`);
    this.#samples();
    if (run.start) this.started();
    else this.view.start(run);
    this.ended();
    clearInterval(this.listening);
    this.#hush();
    if (run.streaming) this.listening = setInterval(() => this.#hush(), 1000);
  }

  /** A run from which nothing has come for long is not frozen: its seconds are counted over the picture. */
  #hush() {
    const { run } = this;
    if (!run?.streaming) clearInterval(this.listening);
    const seconds = run?.streaming ? Math.floor((performance.now() - run.heard) / 1000) : 0;
    const quiet = seconds >= QUIET;
    const began = quiet && !this.silence?.isConnected;
    if (!quiet) {
      this.silence?.remove();
      return;
    }
    this.silence ??= Object.assign(document.createElement("p"), { className: "silence" });
    const key = run.lost ? "status.lost" : `status.silent${run.frameCount === 0 ? ".first" : ""}`;
    this.silence.textContent = t(key, { seconds });
    if (!began) return;
    this.root.querySelector(".views").append(this.silence);
    this.hushed(listed([this.name, this.silence.textContent]));
  }

  /** The start event has come. */
  started() {
    this.view.start(this.run);
    if (this.facing) this.view.face?.(this.facing);
    if (this.sample > 0 || this.alone) this.view.arrange?.(this.sample, this.alone);
    const words = (this.run.start.captions ?? [this.run.start]).flatMap((caption) => caption.words ?? []);
    const unknown = words.filter(({ known }) => !known);
    // A word that was read in pieces stands among the chips.
    const told = (note) => this.places.reading && unknown.some(({ word }) => note.startsWith(`“${word}”`));
    const notes = (this.run.start.notes ?? []).filter((note) => !told(note));
    if (knows(`training.${this.run.start.training}`)) notes.push(t(`training.${this.run.start.training}`));
    const items = notes.map((note) => {
      const item = document.createElement("li");
      tell(item, note);
      return item;
    });
    this.places.notes?.replaceChildren(...items);
    if (this.places.reading) showReading(this.places.reading, this.run);
    const { subject } = this.places;
    if (subject) subject.textContent = subject.title = this.run.start.title ?? "";
    this.shown = {};
  }

  /** The run has ended, or has not yet: scores. */
  ended() {
    const { scores } = this.places;
    const { done } = this.run;
    this.chosen();
    if (!scores) return;
    if (done?.ranking) this.#samples(); // now the surest one is known
    const judged = judgement(done, this.sample);
    const parts = confidenceOf(done, this.sample);
    // Of several samples the first was scored.
    const told = this.sample === 0 ? (done?.scores ?? {}) : {};
    const rmsd = told.rmsd_to_reference ?? told.rmsd;
    if (typeof rmsd === "number") parts.push(t("score.rmsd", { value: number(rmsd) }));
    if (typeof told.lddt === "number") parts.push(t("score.lddt", { value: number(told.lddt) }));
    if (typeof told.stereo === "boolean") parts.push(t(`score.stereo.${told.stereo}`));
    scores.hidden = parts.length === 0 && judged === "";
    scores.textContent = judged || t("score.final", { scores: parts.join(" · ") });
  }

  #samples() {
    const { samples } = this.places;
    if (!samples) return;
    samples.hidden = this.run.samples < 2;
    const count = this.run.samples;
    samples.replaceChildren(...(this.view.grid ? this.#gridButtons(count) : this.#numberButtons(count)));
  }

  #numberButtons(count) {
    const ranking = this.run.done?.ranking;
    const best = ranking?.order[0];
    const buttons = Array.from({ length: count }, (_, k) => {
      const value = number(ranking?.plddt?.[k] ?? 0);
      const key = ranking?.plddt ? `samples.scored${k === best ? "_best" : ""}` : "samples.one";
      const button = roundButton(String(k + 1), t(key, { n: k + 1, value }), () => this.choose(k));
      button.setAttribute("aria-pressed", String(k === this.sample));
      return button;
    });
    if (best === undefined) return buttons;
    const surest = roundButton("★", t("samples.best_label", { count, n: best + 1 }), () => this.choose(best));
    surest.title = t("samples.best");
    return [surest, ...buttons];
  }

  /** Has nothing to show for what was asked, and says why; "" takes it back. @param {string} text */
  refuse(text, reason = text) {
    this.refusal = reason;
    const said = this.root.querySelector('[data-role="refusal"]');
    said.textContent = text;
    said.hidden = text === "";
    this.root.dataset.refused = String(text !== "");
    if (text === "") return;
    this.run = null;
    this.shown = {};
    this.view.clear?.();
    this.settled?.clear();
    for (const place of ["subject", "status", "scores"]) if (this.places[place]) this.places[place].textContent = "";
    this.places.origin.hidden = true;
    this.places.notes?.replaceChildren();
  }

  /** All at once or one large, and the way to the neighbours. */
  #gridButtons(count) {
    const text = this.alone ? t("samples.of", { n: this.sample + 1, count }) : t("samples.count", { count });
    const all = roundButton(text, `${text}: ${t("samples.all")}`, () => this.toggleGrid());
    all.className = "all";
    all.setAttribute("aria-pressed", String(!this.alone));
    return [
      roundButton("‹", t("samples.back"), () => this.move(-1)),
      all,
      roundButton("›", t("samples.on"), () => this.move(1)),
    ];
  }

  /** The sample that everything else is about; a second time: shown alone. @param {number} k */
  choose(k) {
    if (k === this.sample && this.view.grid) {
      this.toggleGrid();
      return;
    }
    this.sample = k;
    this.#rearrange();
  }

  /** @param {1 | -1} direction */
  move(direction) {
    if (!this.run || this.run.samples < 2) return;
    this.sample = (this.sample + direction + this.run.samples) % this.run.samples;
    this.#rearrange();
  }

  toggleGrid() {
    if (!this.view.grid || !this.run || this.run.samples < 2) return;
    this.alone = !this.alone;
    this.#rearrange();
  }

  #rearrange() {
    const focused = this.places.samples?.contains(document.activeElement)
      ? [...this.places.samples.children].indexOf(document.activeElement)
      : -1;
    this.#samples();
    this.places.samples?.children[focused]?.focus();
    this.view.arrange?.(this.sample, this.alone);
    this.shown = {};
    this.update(this.level);
    this.ended();
  }

  /**
   * Shows the frame that belongs to a noise level. @param {number} level -Infinity is the data end
   * @returns {boolean} whether something changed
   */
  update(level) {
    this.level = level;
    if (!this.run) return false;
    const haunted = this.ghost?.move(level) ?? false;
    const { run } = this;
    const final = level === -Infinity && run.done ? run.done.sample : null;
    const stage = stageAt(run.pictureStages, level);
    const frame = stage ? frameAt(stage.frames, level) : null;
    // Nothing of the picture yet: the strip shows the newest of what is being chosen.
    const stripFrames = run.stripStage?.frames ?? [];
    const strip = frame || final ? frameAt(stripFrames, level) : (stripFrames.at(-1) ?? null);
    if (!haunted && this.shown.frame === frame && this.shown.final === final && this.shown.strip === strip) {
      this.view.glide?.(level);
      return false;
    }
    this.shown = { run, frame, final, strip, sample: this.sample, level };
    this.view.show(this.shown);
    this.settled?.show(run, this.shown);
    this.moved(this.shown);
    if (this.places.status) this.places.status.textContent = this.#status();
    return true;
  }

  #status() {
    const { run, frame, final, strip } = { ...this.shown, run: this.run };
    if (final) {
      const seconds = run.done.timings?.total_s;
      const steps = run.pictureStages.reduce((sum, { frames }) => sum + (frames.at(-1)?.steps ?? 0), 0);
      const words = t("status.done", { steps });
      return run.source === "live" && seconds ? listed([words, t("score.time", { value: number(seconds) })]) : words;
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

/** What the independent classifier and CLIP say about a finished picture. @param {any} done @param {number} sample */
function judgement(done, sample) {
  const best = done?.judged?.[sample]?.[0];
  if (!best) return "";
  return t("score.judged", { label: best.label, percent: percent(best.probability) });
}

/** How sure the model is of a finished sample, in words. @param {any} done @param {number} sample @returns {string[]} */
function confidenceOf(done, sample) {
  const value = done?.ranking?.plddt?.[sample] ?? (sample === 0 ? done?.scores?.plddt : undefined);
  if (typeof value !== "number") return [];
  const parts = [t("score.plddt", { value: number(value) })];
  if (done.ranking?.order[0] === sample) parts.push(t("score.best", { count: done.ranking.order.length }));
  return parts;
}

function roundButton(text, label, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}
