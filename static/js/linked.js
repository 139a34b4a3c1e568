/**
 * Links between what is pointed at: a place on the chart shows its frames; a pixel or an atom shows on the axis and in
 * the chart from which noise on it stays where it ends, and a click goes there.
 */

import { decode, sampleOf } from "./decode.js";
import { styled } from "./late.js";
import { LinkedKeys } from "./linked_keys.js";
import { atomSettles, pixelSettles } from "./settles.js";
import { t } from "./text.js";
import { levelAt, positionOf, snap, visibleFrames } from "./timeline.js";
import { ratioWords } from "./words.js";

const STILL = 4; // pixels that a click may move
const SMALLEST = 6; // pixels on the screen: of a fine picture one of its own is too small to see

export class Linked {
  /**
   * @param {import("./stage.js").Stage} stage
   * @param {{picture: import("./panel.js").Panel, molecule: import("./panel.js").Panel}} panels
   * @param {(text: string) => void} announce to those who listen
   */
  constructor(stage, { picture, molecule }, announce) {
    this.stage = stage;
    this.picture = picture;
    this.molecule = molecule;
    /** position that a click goes to */
    this.target = null;
    /** what stands at the head now */
    this.said = "";
    this.guesses = new WeakMap();
    styled("linked");
    this.heads = [...document.querySelectorAll(".axis-frame")].map((frame) => {
      const head = Object.assign(document.createElement("div"), { className: "linkhead", hidden: true });
      head.setAttribute("aria-hidden", "true");
      if (frame.querySelector("#track")) this.words = head.appendChild(document.createElement("span"));
      frame.append(head);
      return head;
    });
    this.marks = [];
    for (const role of ["noisy", "estimate"]) this.#pixels(picture.places[role]);
    for (const role of ["noisy", "estimate"]) this.#goesThere(molecule.places[role]);
    const { view } = molecule;
    const before = view.pointed;
    view.pointed = (atom) => {
      before(atom);
      this.#atom(atom);
    };
    view.paired = (atoms) => this.#pair(atoms);
    const near = document.querySelector('#near-panel [data-map="now"] canvas');
    if (near) this.#goesThere(near);
    for (const frame of document.querySelectorAll(".chart-frame")) this.#previews(frame);
    this.keys = new LinkedKeys(this, announce);
  }

  /** The frames at the pointer, while the playhead stays. @param {HTMLElement} frame */
  #previews(frame) {
    const { stage } = this;
    const track = document.getElementById("track");
    frame.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || stage.player.playing || stage.player.following) return;
      const { left, width } = track.getBoundingClientRect();
      this.preview(Math.min(snap((event.clientX - left) / width), stage.player.limit));
    });
    frame.addEventListener("pointerleave", () => this.preview(null));
  }

  /** The frames of a place, while the playhead stays. @param {number | null} u null: those of the playhead */
  preview(u) {
    const { stage } = this;
    this.#show(u);
    if (u === null) stage.changed();
    else for (const panel of stage.all) panel.update(levelAt(stage.axis, u));
  }

  /** @param {HTMLElement} well */
  #pixels(well) {
    const mark = Object.assign(document.createElement("div"), { className: "pixel-mark", hidden: true });
    mark.setAttribute("aria-hidden", "true");
    well.append(mark);
    this.marks.push({ well, mark });
    well.addEventListener("pointermove", (event) => this.#pixel(well, event));
    well.addEventListener("pointerleave", () => this.leavePixel());
    this.#goesThere(well);
  }

  leavePixel() {
    for (const { mark } of this.marks) mark.hidden = true;
    this.#show(null);
  }

  /** How many cells a side of a sample's picture has, as they are marked. @param {number} k @returns {number} */
  cells(k) {
    const canvas = this.picture.places.estimate.querySelectorAll("canvas.pixels")[k];
    const { width } = canvas.getBoundingClientRect();
    return Math.max(1, Math.round(width / Math.max(width / canvas.width, SMALLEST)));
  }

  #pixel(well, event) {
    const canvas = event.target.closest?.("canvas.pixels");
    const { run } = this.picture;
    if (!canvas || !run?.done || run.stepwise) return;
    const k = [...well.querySelectorAll("canvas.pixels")].indexOf(canvas);
    const box = canvas.getBoundingClientRect();
    this.point(k, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }

  /** A pixel of a finished picture. @param {number} k sample @param {number} fx 0 to 1 @param {number} fy @returns {string} when it settles */
  point(k, fx, fy) {
    const { run } = this.picture;
    for (const { well: other, mark } of this.marks) {
      const twin = other.querySelectorAll("canvas.pixels")[k];
      if (!twin || twin.offsetParent === null) continue;
      const [inside, outside] = [twin.getBoundingClientRect(), other.getBoundingClientRect()];
      const cell = Math.max(inside.width / twin.width, SMALLEST);
      const at = (part, start, size) => start + Math.floor((part * size) / cell) * cell;
      mark.hidden = false;
      mark.style.width = mark.style.height = `${cell}px`;
      mark.style.transform = `translate(${at(fx, inside.left - outside.left, inside.width)}px, ${at(fy, inside.top - outside.top, inside.height)}px)`;
    }
    const { frames, final } = this.#guessesOf(run, 3, k);
    this.#tell(pixelSettles(frames, final, fx, fy), "pixel");
    return this.said;
  }

  #atom(atom) {
    const { run, sample } = this.molecule;
    if (atom === null || !run?.done || run.stepwise) {
      this.#show(null);
      return;
    }
    const { frames, final } = this.#guessesOf(run, 2, sample);
    this.#tell(atomSettles(frames, final, atom), "atom");
  }

  /** Atoms that stand for two tokens: where both are in their place. @param {number[]} atoms */
  #pair(atoms) {
    const { run, sample } = this.molecule;
    if (atoms.length === 0 || !run?.done || run.stepwise) {
      this.#show(null);
      return;
    }
    const { frames, final } = this.#guessesOf(run, 2, sample);
    const levels = atoms.map((atom) => atomSettles(frames, final, atom));
    this.#tell(levels.includes(null) ? null : Math.min(...levels), atoms.length > 1 ? "pair" : "atom");
  }

  /** What a player meets from left to right, decoded once. @param {import("./run.js").Run} run @param {number} rank @param {number} sample */
  #guessesOf(run, rank, sample) {
    const kept = this.guesses.get(run);
    if (kept?.sample === sample) return kept;
    const frames = visibleFrames(run.pictureStages).map((frame) => {
      frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
      return { level: frame.level, guess: sampleOf(frame.decoded.denoised, rank, sample) };
    });
    const found = { sample, frames, final: sampleOf(decode(run.done.sample), rank, sample) };
    this.guesses.set(run, found);
    return found;
  }

  /** @param {number | null} level @param {"pixel" | "atom" | "pair"} what */
  #tell(level, what) {
    if (level === null) this.#show(1, t(`linked.${what}.never`));
    else this.#show(positionOf(this.stage.axis, level), t(`linked.${what}`, { noise: ratioWords(10 ** level) }));
  }

  /** @param {number | null} u null: nothing @param {string} [words] */
  #show(u, words = "") {
    this.target = u;
    this.said = words;
    for (const head of this.heads) {
      head.hidden = u === null;
      if (u !== null) head.style.left = `${100 * u}%`;
    }
    if (!this.words) return;
    this.words.textContent = words;
    this.words.dataset.side = u > 0.5 ? "left" : "right";
  }

  /** A click that is no drag. @param {HTMLElement} well */
  #goesThere(well) {
    let from = null;
    well.addEventListener("pointerdown", ({ clientX, clientY }) => (from = [clientX, clientY]));
    well.addEventListener("click", ({ clientX, clientY, target }) => {
      const moved = from && Math.hypot(clientX - from[0], clientY - from[1]) > STILL;
      // In a grid a click chooses the sample.
      if (this.target === null || moved || target.closest("button, select, a")) return;
      this.stage.seek(this.target);
    });
  }
}
