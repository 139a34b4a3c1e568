/** Noise levels in words and in units people feel. Pure but for the catalogue. */

import { knows, language, number, percent, t } from "./text.js";

const BOND = 1.5; // Å, a C-C bond

/**
 * Share of the picture's variance that is noise: sigma^2 / (sigma^2 + sigma_data^2).
 * @param {number} ratio sigma / sigma_data
 */
export const noiseShare = (ratio) => ratio ** 2 / (1 + ratio ** 2);

/** @param {number} ratio sigma / sigma_data @returns {string} */
export function pictureNoise(ratio) {
  if (!(ratio > 0)) return t("noise.picture.clean");
  const share = noiseShare(ratio);
  let shown = percent(share);
  if (share > 0.995) shown = t("mark.above", { value: percent(0.99) });
  else if (share < 0.01) shown = t("mark.below", { value: percent(0.01) });
  return t("noise.picture", { percent: shown });
}

/**
 * @param {number} sigma Å @param {number} size diameter of the molecule in Å @returns {string}
 */
export function atomNoise(sigma, size) {
  if (!(sigma > 0)) return t("noise.none");
  let compare = t("noise.atoms.tiny");
  if (sigma > 3 * size) compare = t("noise.atoms.times", { times: number(sigma / size) });
  else if (sigma > size) compare = t("noise.atoms.wider");
  else if (sigma > size / 3 && sigma > 2 * BOND) compare = t("noise.atoms.half");
  else if (sigma > 1.6 * BOND) compare = t("noise.atoms.bonds");
  else if (sigma > 0.6 * BOND) compare = t("noise.atoms.bond");
  else if (sigma > 0.05) compare = t("noise.atoms.wobble");
  return t("noise.atoms", { value: number(sigma), compare });
}

/**
 * Where a model without noise levels is. @param {{step: number, steps: number} | null} frame null at the end
 * @param {string} [unit] what it counts: token or block
 */
export function tokenWords(frame, unit = "token") {
  const key = `noise.${unit}s`;
  return frame ? t(key, { step: frame.step + 1, steps: frame.steps }) : t(`${key}.done`);
}

/** @param {number} ratio sigma / sigma_data */
export const particleNoise = (ratio) => (ratio > 0 ? t("noise.particles", { value: number(ratio) }) : t("noise.none"));

/** What a tick of the shared axis says. @param {number} level power of ten */
export function tickLabel(level) {
  if (level === 0) return t("axis.equal");
  return level > 0 ? t("axis.times", { value: 10 ** level }) : t("axis.part", { value: 10 ** -level });
}

/** A noise level relative to the data, as said in sentences. @param {number} ratio */
export const ratioWords = (ratio) => (ratio >= 0.1 ? number(ratio) : t("axis.part", { value: number(1 / ratio) }));

/** What a band of settling curves is about. @param {{name: string, label: string}} band */
export const bandName = ({ name, label }) => (knows(`chart.label.${name}`) ? t(`chart.label.${name}`) : label);

const both = new Intl.ListFormat(language, { type: "conjunction" });

/**
 * What of a run has settled at a noise level and what has not.
 * @param {{bands: any[]} | undefined} settling its curves, known when it is complete
 * @param {number} ratio sigma / sigma_data @returns {string} "" without curves
 */
export function settledWords(settling, ratio) {
  const bands = settling?.bands ?? [];
  if (bands.length === 0) return "";
  const at = (band) => band.settled_at !== null && ratio <= band.settled_at;
  const said = (which) => both.format(which.map(bandName));
  const [done, open] = [bands.filter(at), bands.filter((band) => !at(band))];
  if (done.length === 0) return t("settled.none");
  return open.length > 0 ? t("settled.some", { done: said(done), open: said(open) }) : t("settled.all");
}
