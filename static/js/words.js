/** Noise levels in words and in units people feel. Pure but for the catalogue. */

import { t, number } from "./text.js";

const BOND = 1.5; // Å, a C-C bond

/**
 * Share of the picture's variance that is noise: sigma^2 / (sigma^2 + sigma_data^2).
 * @param {number} ratio sigma / sigma_data
 */
export const noiseShare = (ratio) => ratio ** 2 / (1 + ratio ** 2);

/** @param {number} ratio sigma / sigma_data @returns {string} */
export function pictureNoise(ratio) {
  if (!(ratio > 0)) return t("noise.picture.clean");
  const percent = noiseShare(ratio) * 100;
  let shown = `${Math.round(percent)} %`;
  if (percent > 99.5) shown = "> 99 %";
  else if (percent < 1) shown = "< 1 %";
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
