/** Pictures: the noisy state and the guess as crisp pixels, and the prior's embedding as a strip. */

import { decode, sampleOf } from "./decode.js";
import { t } from "./text.js";

/** @typedef {import("./run.js").Run} Run @typedef {import("./run.js").Frame} Frame */

/** A canvas of h x w pixels shown at the largest whole multiple of device pixels that fits. */
class Pixels {
  /** @param {HTMLElement} well */
  constructor(well) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "pixels";
    this.canvas.setAttribute("role", "img");
    this.well = well;
    well.append(this.canvas);
    this.size = [0, 0];
    new ResizeObserver(() => this.fit()).observe(well);
  }

  /** @param {import("./decode.js").Decoded} picture uint8 (h, w, 3) */
  draw({ shape: [height, width], values }) {
    const context = this.canvas.getContext("2d");
    if (this.size[0] !== height || this.size[1] !== width) {
      this.size = [height, width];
      this.canvas.height = height;
      this.canvas.width = width;
      this.fit();
    }
    context.putImageData(imageOf(context, { shape: [height, width], values }), 0, 0);
  }

  fit() {
    const [height, width] = this.size;
    if (!width) return;
    const room = Math.min(this.well.clientWidth, this.well.clientHeight) * devicePixelRatio;
    // 32 is the finest picture: a 16-pixel stage gets exactly the same square, so nothing jumps.
    const grid = Math.max(height, width, 32);
    const scale = Math.max(1, Math.floor(room / grid)) * (grid / Math.max(height, width));
    this.canvas.style.width = `${(width * scale) / devicePixelRatio}px`;
    this.canvas.style.height = `${(height * scale) / devicePixelRatio}px`;
  }

  clear() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

export class ImageView {
  /** @param {{noisy: HTMLElement, estimate: HTMLElement, foot: HTMLElement}} places */
  constructor({ noisy, estimate, foot }) {
    this.noisy = new Pixels(noisy);
    this.estimate = new Pixels(estimate);
    this.waiting = document.createElement("p");
    this.waiting.className = "waiting";
    this.waiting.hidden = true;
    noisy.append(this.waiting);
    this.stripLabel = document.createElement("span");
    this.strip = document.createElement("canvas");
    this.strip.className = "strip";
    this.strip.setAttribute("aria-hidden", "true");
    foot.append(this.stripLabel, this.strip);
  }

  /** @param {Run} run */
  start(run) {
    this.noisy.clear();
    this.estimate.clear();
    this.noisy.canvas.setAttribute("aria-label", t("picture.alt.noisy"));
    this.estimate.canvas.setAttribute("aria-label", t("picture.alt.estimate", { prompt: run.input.prompt ?? "" }));
    this.stripLabel.textContent = "";
  }

  /**
   * @param {{run: Run, frame: Frame | null, final: any, strip: Frame | null, sample: number}} shown
   *   final: the finished sample when the playhead is at the data end
   */
  show({ run, frame, final, strip, sample }) {
    this.waiting.hidden = Boolean(frame || final);
    this.waiting.textContent = strip ? t("picture.waiting") : "";
    if (final) {
      const picture = sampleOf(decode(final), 3, sample);
      this.noisy.draw(picture);
      this.estimate.draw(picture);
    } else if (frame) {
      frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
      this.noisy.draw(sampleOf(frame.decoded.x, 3, sample));
      this.estimate.draw(sampleOf(frame.decoded.denoised, 3, sample));
    } else {
      this.noisy.clear();
      this.estimate.clear();
    }
    if (strip) this.#drawStrip(strip, sample, run.done?.prior?.cosine?.[sample]?.length ?? 1);
  }

  /**
   * Two rows of cells: the noisy embedding above the guess, each relative to its own spread.
   * @param {Frame} frame @param {number} sample @param {number} drawn how many ideas it was chosen from
   */
  #drawStrip(frame, sample, drawn) {
    frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
    const rows = [frame.decoded.x, frame.decoded.denoised].map((array) => sampleOf(array, 1, sample).values);
    const count = rows[0].length;
    this.stripLabel.textContent = t(drawn > 1 ? "strip.best" : "strip.label", { count, drawn });
    this.strip.width = count;
    this.strip.height = 2;
    const style = getComputedStyle(this.strip);
    const [positive, negative, zero] = ["--picture", "--ink", "--well"].map((name) =>
      rgb(style.getPropertyValue(name)),
    );
    const context = this.strip.getContext("2d");
    const image = context.createImageData(count, 2);
    rows.forEach((row, y) => {
      const spread = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / count) || 1;
      row.forEach((value, x) => {
        const strength = Math.min(Math.abs(value) / (2 * spread), 1);
        const end = value > 0 ? positive : negative;
        const i = 4 * (y * count + x);
        for (let c = 0; c < 3; c += 1) image.data[i + c] = zero[c] + (end[c] - zero[c]) * strength;
        image.data[i + 3] = 255;
      });
    });
    context.putImageData(image, 0, 0);
  }

  /** @param {HTMLCanvasElement} canvas @param {any} frame or null for the sample @param {any} final @param {number} sample */
  thumbnail(canvas, frame, final, sample) {
    const picture = sampleOf(decode(frame ? frame.denoised : final), 3, sample);
    [canvas.height, canvas.width] = picture.shape;
    canvas.className = "pixels";
    const context = canvas.getContext("2d");
    context.putImageData(imageOf(context, picture), 0, 0);
  }

  restyle() {}
}

/** @param {CanvasRenderingContext2D} context @param {{shape: number[], values: Uint8Array}} picture (h, w, 3) */
function imageOf(context, { shape: [height, width], values }) {
  const image = context.createImageData(width, height);
  for (let i = 0, j = 0; j < values.length; i += 4, j += 3) {
    image.data[i] = values[j];
    image.data[i + 1] = values[j + 1];
    image.data[i + 2] = values[j + 2];
    image.data[i + 3] = 255;
  }
  return image;
}

/** "#rrggbb" -> [r, g, b]. @param {string} hex */
export function rgb(hex) {
  const value = Number.parseInt(hex.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
