/** The copying meter: the chosen picture beside its nearest training drawings, and what the judges say. */

import { decode, sampleOf } from "./decode.js";
import { drawingUrl } from "./net.js";
import { drawSmall } from "./pixels.js";
import { number, paragraph, percent, t } from "./text.js";

export class Copying {
  /** @param {HTMLElement} root the tab's panel */
  constructor(root) {
    this.place = root.querySelector(".specimens");
    this.words = root.querySelector("#copying-summary");
    this.judged = root.querySelector(".judged");
  }

  /** @param {import("./run.js").Run | null} run @param {number} sample */
  show(run, sample) {
    const found = run?.done?.nearest?.[sample];
    this.judged.replaceChildren(...judgement(run?.done, sample));
    if (!found) {
      this.place.replaceChildren();
      this.words.textContent = t(run?.done ? `copying.missing.${run.source}` : "copying.waiting");
      return;
    }
    const own = document.createElement("canvas");
    drawSmall(own, sampleOf(decode(run.done.sample), 3, sample));
    own.setAttribute("role", "img");
    own.setAttribute("aria-label", t("copying.own"));
    const drawing = ({ index, label, vendor }) =>
      Object.assign(new Image(), { src: drawingUrl(index), alt: t("copying.alt", { label, vendor }) });
    const { clip, pixels } = found;
    this.place.replaceChildren(
      specimen(own, t("copying.own"), run.samples > 1 ? t("samples.one", { n: sample + 1 }) : ""),
      specimen(drawing(clip), t("copying.nearest.clip"), t("copying.cosine", { ...clip, value: hundredths(clip.cosine) })),
      specimen(drawing(pixels), t("copying.nearest.pixels"), t("copying.rms", { ...pixels, value: hundredths(pixels.rms) })),
    );
    this.place.dataset.copy = [clip.near && "clip", pixels.near && "pixels"].filter(Boolean).join(" ");
    const key = { "clip pixels": "both", clip: "clip", pixels: "pixels" }[this.place.dataset.copy] ?? "far";
    this.words.textContent = paragraph([t(`copying.${key}`), t("copying.rule")]);
  }
}

const TWO = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
/** @param {number} value */
const hundredths = (value) => value.toLocaleString(document.documentElement.lang || "en", TWO);

function specimen(picture, title, words) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.append(
    Object.assign(document.createElement("strong"), { textContent: title }),
    Object.assign(document.createElement("span"), { textContent: words }),
  );
  figure.append(picture, caption);
  return figure;
}

/** @param {any} done @param {number} sample @returns {HTMLElement[]} */
function judgement(done, sample) {
  const list = done?.judged?.[sample];
  if (!list) return [];
  const head = Object.assign(document.createElement("h3"), { textContent: t("judged.title") });
  const table = document.createElement("table");
  const body = table.createTBody();
  for (const { label, probability } of list) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: label }));
    row.insertCell().textContent = percent(probability);
    const bar = document.createElement("progress");
    Object.assign(bar, { max: 1, value: probability });
    bar.setAttribute("aria-hidden", "true");
    row.insertCell().append(bar);
  }
  const score = done.clip_score?.[sample];
  const words = typeof score === "number" ? [t("judged.clip", { value: number(score) })] : [];
  return [head, table, ...words.map((text) => Object.assign(document.createElement("p"), { textContent: text }))];
}
