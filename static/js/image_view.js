/** Pictures: the noisy state and the guess, one sample large or all in a grid, and the prior's embedding. */

import { decode, sampleOf } from "./decode.js";
import { captionOf } from "./picture_input.js";
import { Pixels, drawSmall } from "./pixels.js";
import { percent, t } from "./text.js";

/** @typedef {import("./run.js").Run} Run @typedef {import("./run.js").Frame} Frame */

/** One well: a cell per sample. */
class Mosaic {
  /** @param {HTMLElement} well @param {((k: number) => void) | null} choose null where cells are only looked at */
  constructor(well, choose) {
    this.well = well;
    this.choose = choose;
    this.root = document.createElement("div");
    this.root.className = "mosaic";
    well.append(this.root);
    /** @type {{box: HTMLElement, pixels: Pixels}[]} */
    this.cells = [];
  }

  /** @param {string[]} labels one per sample, "" for none @param {string[]} alts */
  build(labels, alts) {
    for (const { pixels } of this.cells) pixels.remove();
    const several = labels.length > 1;
    this.cells = labels.map((label, k) => {
      const box = document.createElement(several && this.choose ? "button" : "div");
      box.className = "cell";
      const pixels = new Pixels(box);
      pixels.canvas.setAttribute("aria-label", alts[k]);
      if (label) box.append(Object.assign(document.createElement("span"), { className: "weight", textContent: label }));
      if (several && this.choose) {
        box.type = "button";
        box.addEventListener("click", () => this.choose(k));
      }
      return { box, pixels };
    });
    this.root.replaceChildren(...this.cells.map(({ box }) => box));
  }

  /** @param {number} chosen @param {boolean} alone whether only the chosen one is shown */
  arrange(chosen, alone) {
    const shown = alone ? 1 : this.cells.length;
    this.root.dataset.columns = String(Math.ceil(Math.sqrt(shown)));
    this.cells.forEach(({ box }, k) => {
      box.hidden = alone && k !== chosen;
      if (box instanceof HTMLButtonElement) box.setAttribute("aria-pressed", String(k === chosen));
    });
  }

  /** @param {import("./decode.js").Decoded | null} pictures */
  draw(pictures) {
    this.cells.forEach(({ pixels }, k) => {
      if (pictures) pixels.draw(sampleOf(pictures, 3, k));
      else pixels.clear();
    });
  }
}

export class ImageView {
  /**
   * @param {{noisy: HTMLElement, estimate: HTMLElement, foot: HTMLElement, choose: (k: number) => void}} places
   */
  constructor({ noisy, estimate, foot, choose }) {
    this.mosaics = [new Mosaic(noisy, null), new Mosaic(estimate, choose)];
    this.waiting = document.createElement("p");
    this.waiting.className = "waiting";
    this.waiting.hidden = true;
    noisy.append(this.waiting);
    this.stripLabel = document.createElement("span");
    this.strip = document.createElement("canvas");
    this.strip.className = "strip";
    this.strip.setAttribute("aria-hidden", "true");
    foot.append(this.stripLabel, this.strip);
    this.alone = false;
  }

  /** Several samples can be seen at once. */
  get grid() {
    return true;
  }

  /** @param {Run} run */
  start(run) {
    const weights = weightsOf(run);
    const labels = Array.from({ length: run.samples }, (_, k) => (weights ? percent(weights[k]) : ""));
    const prompt = captionOf(run.input);
    const alt = (key) => labels.map((_, k) => t(`${key}${labels.length > 1 ? ".of" : ""}`, { prompt, n: k + 1 }));
    this.mosaics[0].build(labels, alt("picture.alt.noisy"));
    this.mosaics[1].build(labels, alt("picture.alt.estimate"));
    this.arrange(0, false);
    this.stripLabel.textContent = "";
    this.strip.hidden = !run.stripStage;
    // A picture that varies another has no idea of its own to find.
    if (run.start && !run.stripStage && run.input.variation_of) this.stripLabel.textContent = t("strip.given");
  }

  /** @param {number} chosen @param {boolean} alone */
  arrange(chosen, alone) {
    this.alone = alone;
    for (const mosaic of this.mosaics) mosaic.arrange(chosen, alone);
  }

  /**
   * @param {{run: Run, frame: Frame | null, final: any, strip: Frame | null, sample: number}} shown
   *   final: the finished sample when the playhead is at the data end
   */
  show({ run, frame, final, strip, sample }) {
    this.waiting.hidden = Boolean(frame || final);
    this.waiting.textContent = strip ? t("picture.waiting") : "";
    if (final) {
      const pictures = decode(final);
      for (const mosaic of this.mosaics) mosaic.draw(pictures);
    } else if (frame) {
      frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
      this.mosaics[0].draw(frame.decoded.x);
      this.mosaics[1].draw(frame.decoded.denoised);
    } else for (const mosaic of this.mosaics) mosaic.draw(null);
    if (strip) this.#drawStrip(strip, sample, run.done?.prior?.cosine?.[0]?.length ?? 1);
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
    drawSmall(canvas, sampleOf(decode(frame ? frame.denoised : final), 3, sample));
  }

  restyle() {}
}

/** Where each sample lies between two ends, or null for a run without ends. @param {Run} run @returns {number[] | null} */
function weightsOf(run) {
  if (!run.input.interpolate && !run.input.diff) return null;
  const given = run.start?.weights;
  if (given?.length === run.samples) return given;
  return run.samples > 1 ? Array.from({ length: run.samples }, (_, k) => k / (run.samples - 1)) : null;
}

/** "#rrggbb" -> [r, g, b]. @param {string} hex */
export function rgb(hex) {
  const value = Number.parseInt(hex.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
