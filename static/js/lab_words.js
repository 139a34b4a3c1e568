/** The two schedules in words: what each does, where it leaves training, where its steps lie. */

import { askedOf, beyond, density, decadeOf, levelsOf, zones } from "./lab_schedules.js";
import { language, listed, number, paragraph, t } from "./text.js";
import { ratioWords } from "./words.js";

/** @typedef {import("./lab_schedules.js").Side} Side @typedef {import("./lab_chart.js").Model} Model */

const name = (which) => which.toUpperCase();

/** @param {Record<"a" | "b", Side>} sides @returns {string} */
export function scheduleWords(sides) {
  const words = ["a", "b"].map((which) => {
    const levels = levelsOf(sides[which]);
    return t("lab.summary.side", {
      side: name(which),
      kind: t(`lab.kind.${sides[which].kind}`),
      count: levels.length,
      first: ratioWords(levels[0]),
      last: ratioWords(levels.at(-1)),
    });
  });
  return paragraph(words);
}

/**
 * Where either schedule leaves what a model was trained at. @param {Record<"a" | "b", Side>} sides @param {Model[]} models
 * @returns {{text: string, outside: boolean}[]} one per sentence
 */
export function trainedWords(sides, models) {
  const out = [];
  const known = models.filter(({ trained, sigmaData }) => trained && sigmaData);
  for (const which of ["a", "b"])
    for (const { name: model, trained, sigmaData, unit } of known) {
      const levels = askedOf(sides[which]);
      const found = beyond(levels, trained, sigmaData);
      const said = { side: name(which), model, steps: levels.length };
      const noise = (level) => `${number(level * sigmaData)} ${unit}`;
      if (found.above)
        out.push(t("lab.trained.above", { ...said, noise: noise(levels[0]), share: nines(1 - found.shareAbove), n: found.above }));
      if (found.below)
        out.push(t("lab.trained.below", { ...said, noise: noise(levels.at(-1)), share: nines(1 - found.shareBelow), n: found.below }));
    }
  if (out.length > 0) return out.map((text) => ({ text, outside: true }));
  return known.length > 0 ? [{ text: t("lab.trained.inside"), outside: false }] : [];
}

/** As many nines as it takes: "99.9996 %". @param {number} share below 1 */
export function nines(share) {
  if (share >= 1 - 1e-9) return t("lab.all");
  const digits = Math.max(0, Math.ceil(-Math.log10(1 - share)) - 2);
  const cut = Math.floor(share * 10 ** (digits + 2)) / 10 ** digits;
  return t("mark.percent", { value: new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(cut) });
}

/** @param {Record<"a" | "b", Side>} sides */
export function densityWords(sides) {
  const levels = { a: levelsOf(sides.a), b: levelsOf(sides.b) };
  const parts = ["a", "b"].map((which) => {
    const { above, around, below } = zones(levels[which]);
    const densest = density(levels[which]).reduce((best, bin) => (bin.steps > best.steps ? bin : best));
    return t("lab.density.summary", {
      side: name(which), steps: levels[which].length, above, around, below, decade: decadeWords(densest.decade), most: densest.steps,
    });
  });
  return paragraph(parts);
}

/** @param {number} decade k: from 10^k to 10^(k + 1) */
export const decadeWords = (decade) => t("lab.decade", { low: ratioWords(10 ** decade), high: ratioWords(10 ** (decade + 1)) });

/** Both counts per decade of noise, noisiest first. @param {Record<"a" | "b", Side>} sides */
export function densities(sides) {
  const levels = { a: levelsOf(sides.a), b: levelsOf(sides.b) };
  const high = Math.max(...["a", "b"].map((which) => decadeOf(levels[which][0])));
  const low = Math.min(...["a", "b"].map((which) => decadeOf(levels[which].at(-1))));
  const [a, b] = ["a", "b"].map((which) => density(levels[which], high, low));
  return a.map(({ decade, steps }, i) => ({ decade, a: steps, b: b[i].steps }));
}

/** Every level of both in every unit, as rows. @param {HTMLTableSectionElement} body @param {Record<"a" | "b", Side>} sides @param {Model[]} models */
export function levelsTable(body, sides, models) {
  const levels = ["a", "b"].map((which) => levelsOf(sides[which]));
  const rows = Array.from({ length: Math.max(...levels.map(({ length }) => length)) }, (_, i) => {
    const row = document.createElement("tr");
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: String(i + 1) }));
    for (const side of levels)
      row.insertCell().textContent = i < side.length ? listed([ratioWords(side[i]), ...nativeWords(side[i], models)]) : "";
    return row;
  });
  body.replaceChildren(...rows);
}

/** A level in the units of every model whose data is known. @param {number} level @param {Model[]} models @returns {string[]} */
export const nativeWords = (level, models) =>
  models.filter(({ sigmaData }) => sigmaData).map(({ sigmaData, unit }) => `${number(level * sigmaData)} ${unit}`);
