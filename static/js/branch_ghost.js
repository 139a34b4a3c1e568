/** The other track of a forked run on its panel: a smaller picture, a pale molecule, pale particles. */

import { childIn, shared } from "./branch_compose.js";
import { askedWords, endWords } from "./branch_words.js";
import { decode, sampleOf } from "./decode.js";
import { rotated } from "./orientation.js";
import { Pixels } from "./pixels.js";
import { superpose } from "./superpose.js";
import { frameAt, stageAt } from "./timeline.js";
import { t } from "./text.js";

/**
 * Å: a third of the molecule's own sticks, dashed as everything of the other track is. Not translucent: over a clear
 * ground the viewer draws that almost white.
 */
const STICK = 0.09;

export class Ghost {
  /**
   * @param {import("./panel.js").Panel} panel @param {import("./run.js").Run} run
   * @param {{swap: () => void, drop: () => void}} on
   */
  constructor(panel, run, on) {
    this.panel = panel;
    this.run = run;
    this.shown = { frame: null, final: null };
    /** whether the distance of the ends has been told */
    this.told = false;
    this.views = panel.root.querySelector(".views");
    this.narrow = matchMedia("(max-width: 760px)").matches;
    if (panel.view.grid) this.#picture();
    else if (panel.view.tell) panel.view.tell("haunt", this);
    else panel.view.haunt?.(this);
    this.#bar(on);
  }

  /** Beside the two views a third, smaller one. */
  #picture() {
    this.figure = element("figure", "view ghost");
    this.caption = element("figcaption");
    const well = element("div", "well");
    this.figure.append(this.caption, well);
    if (!this.narrow) this.figure.append((this.side = element("div", "ghost-side")));
    this.pixels = new Pixels(well);
    this.views.append(this.figure);
    this.views.dataset.ghost = "";
  }

  #bar(on) {
    this.words = element("p", "fork-words");
    this.end = element("p", "fork-end");
    this.swapButton = button("quiet", t("branch.swap"), on.swap);
    this.swapButton.title = t("branch.swap.title");
    const drop = button("quiet", t("branch.drop"), on.drop);
    drop.setAttribute("aria-label", t("branch.drop.label"));
    this.bar = element("div", "fork-bar");
    for (const group of [this.bar, this.side ?? this.bar]) {
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", t("branch.tracks", { name: this.panel.name }));
    }
    // A picture's words and buttons stand under it where there is room.
    if (this.side) this.side.append(this.words, this.swapButton, drop);
    this.bar.append(...(this.side ? [] : [this.words]), this.end, ...(this.side ? [] : [this.swapButton, drop]));
    const beside = this.panel.root.querySelector(".dye-words");
    if (beside) beside.append(this.bar);
    else this.views.after(this.bar);
    Ghost.#measure();
  }

  /** What the tracks are, as far as it is known. */
  tell() {
    const { run } = this.panel;
    const child = childIn(run, this.run);
    const first = child === run;
    const { stage, step } = child.branch ?? child.start.branch;
    const idea = child.stripStage?.name === stage ? ".idea" : "";
    const what = askedWords(this.run, run) || t(first ? "branch.asked.before" : "branch.asked.after");
    this.words.textContent = t(`branch.grey.${first ? "first" : "branch"}${idea}`, { what, step: step + 1 });
    if (this.run.error && !this.run.done) this.end.textContent = t("branch.cut");
    else this.end.textContent = endWords(run, this.run, this.panel.sample);
  }

  /** The track's settling curves, as the chart draws them; null while it has none. @returns {import("./chart.js").GhostRow | null} */
  get curves() {
    const settling = this.run.done?.settling;
    if (!settling?.bands?.length || this.run.stepwise) return null;
    const track = t(childIn(this.panel.run, this.run) === this.run ? "branch.track.branch" : "branch.track.first");
    return { name: t("branch.chart.name", { name: this.panel.name, track }), track, settling };
  }

  /**
   * The playhead has moved. @param {number} level
   * @returns {boolean} whether the main view has to be drawn again
   */
  move(level) {
    const final = level === -Infinity && this.run.done ? this.run.done.sample : null;
    const stage = stageAt(this.run.pictureStages, level);
    const frame = stage ? frameAt(stage.frames, level) : null;
    this.level = level;
    const { sample } = this.panel;
    const held = this.shown;
    if (held.frame === frame && held.final === final && held.sample === sample) return false;
    this.shown = { frame, final, sample };
    if (held.sample !== undefined && held.sample !== sample) this.tell();
    if (!this.pixels) return true;
    const array = final ? decode(final) : frame && decoded(frame).denoised;
    if (array) this.pixels.draw(sampleOf(array, 3, sample));
    else this.pixels.clear();
    const child = childIn(this.panel.run, this.run);
    const same = shared(child, level);
    this.figure.dataset.same = String(same);
    let key = child === this.run ? "branch.picture.branch" : "branch.picture.first";
    if (same) key = "branch.picture.same";
    const text = t(key);
    this.caption.textContent = this.caption.title = text;
    this.pixels.canvas.setAttribute("aria-label", text);
    return false;
  }

  /**
   * The pale molecule, laid onto what the main track shows, about the same middle.
   * @param {Float32Array} onto (N, 3) Å @param {number} shrink how much smaller than life that is drawn
   * @param {number} sample @returns {import("./scene3d.js").Shadow[]}
   */
  shapes(onto, shrink, sample) {
    const { frame, final } = this.shown;
    if (!frame && !final) return [];
    if (shared(childIn(this.panel.run, this.run), this.level)) return []; // both tracks are one here
    const { values } = sampleOf(final ? decode(final) : decoded(frame).denoised, 2, sample);
    if (values.length !== onto.length) return [];
    const { turn } = superpose(values, onto);
    const middle = [0, 0, 0];
    for (let i = 0; i < values.length; i += 1) middle[i % 3] += (3 * values[i]) / values.length;
    const xyz = new Float32Array(values.length);
    for (let i = 0; i < xyz.length; i += 3) {
      const point = rotated(turn, [values[i] - middle[0], values[i + 1] - middle[1], values[i + 2] - middle[2]]);
      for (let c = 0; c < 3; c += 1) xyz[i + c] = point[c] * shrink;
    }
    const colour = getComputedStyle(this.bar).getPropertyValue("--ghost-atoms").trim();
    return [{ kind: "ghost", xyz, colour, radius: STICK, dashed: true }];
  }

  /** Pictures and player make room while a panel of the stage has two tracks. */
  static #measure() {
    document.body.toggleAttribute("data-forked", document.querySelector(".panel .fork-bar") !== null);
  }

  /** Nothing of it stays. */
  leave() {
    this.bar.remove();
    Ghost.#measure();
    this.pixels?.remove();
    this.figure?.remove();
    delete this.views.dataset.ghost;
    if (this.panel.view.tell) this.panel.view.tell("haunt", null);
    else this.panel.view.haunt?.(null);
  }
}

function decoded(frame) {
  return (frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) });
}

const element = (name, className = "") => Object.assign(document.createElement(name), { className });

function button(className, text, act) {
  const made = Object.assign(element("button", className), { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}
