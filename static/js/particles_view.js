/** The dye drop: particles on a canvas, drawn at data scale like every other noisy state. */

import { decode, sampleOf } from "./decode.js";
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
    this.last = null;
    new ResizeObserver(() => this.last && this.show(this.last)).observe(noisy);
  }

  start() {}

  /** @param {{run: import("./run.js").Run, frame: any, final: any, sample: number}} shown */
  show(shown) {
    this.last = shown;
    const { run, frame, final, sample } = shown;
    const sigmaData = run.stages[0]?.sigmaData ?? 1;
    let arrays = [null, null];
    let shrink = 1;
    if (final) arrays = [decode(final), decode(final)];
    else if (frame) {
      frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
      arrays = [frame.decoded.x, frame.decoded.denoised];
      shrink = sigmaData / Math.hypot(frame.sigma, sigmaData);
    }
    if (!arrays[1]) {
      for (const canvas of this.canvases) sized(canvas);
      return;
    }
    // Coloured by where a particle ends up, or is thought to: one sees the two halves mix and part again.
    const home = sampleOf(run.done ? decode(run.done.sample) : arrays[1], 2, sample).values;
    this.draw(this.canvases[0], sampleOf(arrays[0], 2, sample).values, home, shrink / sigmaData);
    this.draw(this.canvases[1], sampleOf(arrays[1], 2, sample).values, home, 1 / sigmaData);
  }

  /** @param {HTMLCanvasElement} canvas @param {Float32Array} points (P, 2) @param {Float32Array} home (P, 2) @param {number} scale */
  draw(canvas, points, home, scale) {
    const side = sized(canvas);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const unit = (side / 2 / REACH) * scale;
    const radius = Math.max(1, side / 320);
    for (const left of [true, false]) {
      context.fillStyle = style.getPropertyValue(left ? "--picture" : "--molecule");
      for (let i = 0; i < points.length; i += 2) {
        if (home[i] < 0 !== left) continue;
        context.fillRect(
          side / 2 + points[i] * unit - radius,
          side / 2 - points[i + 1] * unit - radius,
          2 * radius,
          2 * radius,
        );
      }
    }
  }

  restyle() {
    if (this.last) this.show(this.last);
  }
}

/** A cleared square canvas that fills its well. @returns {number} its side in device pixels */
function sized(canvas) {
  const { clientWidth, clientHeight } = canvas.parentElement;
  const side = Math.round(Math.min(clientWidth, clientHeight) * devicePixelRatio);
  canvas.width = side;
  canvas.height = side;
  canvas.style.width = canvas.style.height = `${side / devicePixelRatio}px`;
  return side;
}
