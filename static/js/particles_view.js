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
    this.draw(this.canvases[0], arrays[0], sample, shrink / sigmaData);
    this.draw(this.canvases[1], arrays[1], sample, 1 / sigmaData);
  }

  draw(canvas, array, sample, scale) {
    const { clientWidth, clientHeight } = canvas.parentElement;
    const side = Math.round(Math.min(clientWidth, clientHeight) * devicePixelRatio);
    canvas.width = side;
    canvas.height = side;
    canvas.style.width = canvas.style.height = `${side / devicePixelRatio}px`;
    if (!array) return;
    const { values } = sampleOf(array, 2, sample);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const [left, right] = [style.getPropertyValue("--picture"), style.getPropertyValue("--molecule")];
    const unit = (side / 2 / REACH) * scale;
    const radius = Math.max(1, side / 320);
    // Half of the dye in each colour, so that one sees the two halves mix and part again.
    for (const [half, colour] of [left, right].entries()) {
      context.fillStyle = colour;
      for (let i = half * 2; i < values.length; i += 4) {
        context.fillRect(side / 2 + values[i] * unit - radius, side / 2 - values[i + 1] * unit - radius, 2 * radius, 2 * radius);
      }
    }
  }

  restyle() {
    if (this.last) this.show(this.last);
  }
}
