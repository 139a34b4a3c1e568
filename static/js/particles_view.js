/**
 * The dye drop: thousands of particles on a canvas, drawn at data scale like every other noisy state.
 *
 * Between two frames the particles move in straight lines over sigma: that is the path an Euler step
 * takes, so the motion at 60 frames a second is the sampler's own and not an embellishment.
 */

import { decode } from "./decode.js";
import { t } from "./text.js";

/** Half the width of the picture, in units of sigma_data. */
const REACH = 2.6;

export class ParticlesView {
  /** @param {{noisy: HTMLElement, estimate: HTMLElement}} places */
  constructor({ noisy, estimate }) {
    this.canvases = [noisy, estimate].map((well, i) => {
      const canvas = document.createElement("canvas");
      canvas.className = "flat";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", t(i ? "particles.alt.estimate" : "particles.alt.noisy"));
      well.append(canvas);
      return canvas;
    });
    this.caption = estimate.parentElement.querySelector("figcaption");
    this.last = null;
    /** the other track of a forked run @type {import("./branch_ghost.js").Ghost | null} */
    this.ghost = null;
    new ResizeObserver(() => this.restyle()).observe(noisy);
  }

  /** @param {import("./run.js").Run} run */
  start({ source }) {
    // Computed here is the way to the noise: nothing is guessed, each particle's beginning is known.
    this.caption.textContent = t(source === "computed" ? "dye.home" : "dye.estimate");
  }

  /** @param {{run: import("./run.js").Run, frame: any, final: any, level: number}} shown */
  show(shown) {
    this.last = shown;
    const { run } = shown;
    const end = endOf(run);
    this.pair = pairOf(run, shown);
    this.from = this.pair[0];
    // Coloured by where a particle ends up, or is thought to: one sees the two halves mix and part again.
    this.sides = this.from && sidesOf((end ?? this.from.denoised).values);
    this.glide(shown.level);
  }

  /** The same two frames, further on. @param {number} level -Infinity at the data end */
  glide(level) {
    if (!this.from) {
      for (const canvas of this.canvases) sized(canvas);
      return;
    }
    const sigmaData = this.last.run.stages[0]?.sigmaData ?? 1;
    const main = at(this.pair, level, sigmaData);
    const [from] = this.ghost ? pairOf(this.ghost.run, this.ghost.shown) : [];
    const other = from ? at(pairOf(this.ghost.run, this.ghost.shown), level, sigmaData) : null;
    this.#draw(this.canvases[0], main.x, 1 / Math.hypot(main.sigma, sigmaData), null);
    this.#draw(this.canvases[1], main.denoised, 1 / sigmaData, other?.denoised ?? null);
  }

  /** @param {import("./branch_ghost.js").Ghost | null} ghost */
  haunt(ghost) {
    this.ghost = ghost;
    this.restyle();
  }

  /**
   * @param {HTMLCanvasElement} canvas @param {Float32Array} points (P, 2) flat @param {number} scale
   * @param {Float32Array | null} pale the other track's, drawn below
   */
  #draw(canvas, points, scale, pale) {
    const side = sized(canvas);
    if (side === 0) return;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(side, side);
    const pixels = new Uint32Array(picture.data.buffer);
    const [right, left, grey] = (this.colours ??= ["--molecule", "--picture", "--line-strong"].map((name) =>
      packed(canvas, name),
    ));
    const unit = (side / 2 / REACH) * scale;
    const size = Math.max(2, Math.round(side / 170));
    const middle = (side - size) / 2;
    const dot = (cloud, i, colour, size) => {
      const x = Math.round(middle + cloud[i] * unit);
      const y = Math.round(middle - cloud[i + 1] * unit);
      if (x < 0 || y < 0 || x > side - size || y > side - size) return;
      for (let row = y * side + x, k = 0; k < size; k += 1, row += side) pixels.fill(colour, row, row + size);
    };
    const { sides } = this;
    for (let i = 0; i < (pale?.length ?? 0); i += 2) dot(pale, i, grey, size);
    for (let i = 0; i < points.length; i += 2) dot(points, i, sides[i >> 1] ? left : right, size);
    context.putImageData(picture, 0, 0);
  }

  restyle() {
    this.colours = null;
    if (this.last) this.show(this.last);
  }
}

/** The states before and after the playhead. @param {import("./run.js").Run} run @param {{frame: any, final: any}} shown */
function pairOf(run, { frame, final }) {
  const end = endOf(run);
  const last = end && { x: end, denoised: end, sigma: 0 };
  if (final) return [last, null];
  const frames = run.stages[0]?.frames ?? [];
  const next = frame && frames[frames.indexOf(frame) + 1];
  return [frame && stateOf(frame), next ? stateOf(next) : last];
}

/** In between, in straight lines over sigma. @param {any[]} pair @param {number} level @param {number} sigmaData */
function at([from, to], level, sigmaData) {
  const low = to ? to.sigma : from.sigma;
  const sigma = Math.min(Math.max(sigmaData * 10 ** level, low), from.sigma);
  const share = from.sigma > low ? (from.sigma - sigma) / (from.sigma - low) : 0;
  const [x, denoised] = ["x", "denoised"].map((name) => between(from[name], to?.[name], share));
  return { sigma, x, denoised };
}

function stateOf(frame) {
  frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
  return { ...frame.decoded, sigma: frame.sigma };
}

/** Where the particles of a complete run are, decoded once. @param {import("./run.js").Run} run */
export function endOf(run) {
  if (!run?.done) return null;
  return (run.done.decoded ??= decode(run.done.sample));
}

function between(from, to, share) {
  if (!to || share === 0) return from.values;
  const [a, b] = [from.values, to.values];
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i += 1) out[i] = a[i] + share * (b[i] - a[i]);
  return out;
}

/** 1 for each particle whose home is on the left. */
function sidesOf(home) {
  return Uint8Array.from({ length: home.length / 2 }, (_, i) => (home[2 * i] < 0 ? 1 : 0));
}

/** A colour of the theme as one 32 bit number of an ImageData. */
function packed(canvas, name) {
  const hex = getComputedStyle(canvas).getPropertyValue(name).trim();
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return new Uint32Array(Uint8Array.of(r, g, b, 255).buffer)[0];
}

/** A square canvas that fills its well, cleared if its size had to change. @returns {number} its side in device pixels */
function sized(canvas) {
  const { clientWidth, clientHeight } = canvas.parentElement;
  const side = Math.round(Math.min(clientWidth, clientHeight) * devicePixelRatio);
  if (canvas.width !== side) {
    canvas.width = canvas.height = side;
    canvas.style.width = canvas.style.height = `${side / devicePixelRatio}px`;
  }
  return side;
}
