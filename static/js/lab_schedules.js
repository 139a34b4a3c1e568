/**
 * Schedules relative to the data: levels are sigma / sigma_data, so that one curve serves every model.
 * The formulas are the server's (models/diffusion/schedule.py); a test compares them. Pure.
 *
 * @typedef {{x: number, y: number}} Point  of a drawn curve: x share of the steps taken, y log10(sigma / sigma_data)
 * @typedef {{kind: string, steps: number, rho: number, top: number, bottom: number, points: Point[],
 *   sampler: string | null, gamma_0: number, gamma_min: number, step_scale: number | null,
 *   noise_scale: number | null, guidance: number | null}} Side
 *   top, bottom: first and last level above 0; gamma_min: relative as well; null: as each model has it
 */

/** @type {string[]} */
export const KINDS = ["karras", "af3", "cosine", "linear", "drawn"];
/** AlphaFold 3's levels as published: 160 and 0.0004 times sigma_data, rho 7. */
export const PUBLISHED = { top: 160, bottom: 4e-4, rho: 7 };

/** @param {number} steps @param {(part: number) => number} at part: 0 at the first level, 1 at the last */
const ramp = (steps, at) => Array.from({ length: steps }, (_, i) => at(steps > 1 ? i / (steps - 1) : 0));

/** Evenly spaced in sigma^(1 / rho). @param {number} steps @param {number} bottom @param {number} top @param {number} rho */
export function karras(steps, bottom, top, rho) {
  const [low, high] = [bottom ** (1 / rho), top ** (1 / rho)];
  return ramp(steps, (part) => (high + part * (low - high)) ** rho);
}

/** Improved-DDPM's cosine: evenly spaced in the angle whose tangent sigma is. */
export function cosine(steps, bottom, top) {
  const [low, high] = [Math.atan(bottom), Math.atan(top)];
  return ramp(steps, (part) => Math.tan(high + part * (low - high)));
}

/** Evenly spaced in sigma. */
export const linear = (steps, bottom, top) => ramp(steps, (part) => top + part * (bottom - top));

/** A drawn curve: straight in log sigma between its points. @param {number} steps @param {Point[]} points */
export const drawn = (steps, points) => ramp(steps, (part) => 10 ** heightAt(points, part));

/** @param {Point[]} points rising x @param {number} x */
export function heightAt(points, x) {
  const i = Math.max(1, points.findIndex((point) => point.x >= x));
  const [a, b] = [points[i - 1], points[i]];
  return a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}

/** The levels above 0, falling. @param {Side} side @returns {number[]} */
export function levelsOf({ kind, steps, rho, top, bottom, points }) {
  if (kind === "af3") return karras(steps, PUBLISHED.bottom, PUBLISHED.top, PUBLISHED.rho);
  if (kind === "cosine") return cosine(steps, bottom, top);
  if (kind === "linear") return linear(steps, bottom, top);
  if (kind === "drawn") return drawn(steps, points);
  return karras(steps, bottom, top, rho);
}

/**
 * The levels at which the network is asked: churn adds noise before a step where the next level is above
 * gamma_min. @param {Side} side @returns {number[]}
 */
export function askedOf(side) {
  const levels = levelsOf(side);
  if (!(side.gamma_0 > 0) || side.sampler === "ancestral") return levels;
  return levels.map((level, i) => ((levels[i + 1] ?? 0) > side.gamma_min ? level * (1 + side.gamma_0) : level));
}

/**
 * Steps per decade of noise, noisiest first. @param {number[]} levels
 * @param {number} [high] first decade @param {number} [low] last one
 * @returns {{decade: number, steps: number}[]} decade k holds 10^k up to 10^(k + 1)
 */
export function density(levels, high = decadeOf(levels[0]), low = decadeOf(levels.at(-1))) {
  const bins = Array.from({ length: high - low + 1 }, (_, i) => ({ decade: high - i, steps: 0 }));
  for (const level of levels) bins.find(({ decade }) => decade === decadeOf(level)).steps += 1;
  return bins;
}

/** @param {number} level */
export const decadeOf = (level) => Math.floor(Math.log10(level) + 1e-9);

/** Steps above, around and below the data's own spread. @param {number[]} levels */
export function zones(levels) {
  const above = levels.filter((level) => level > 3).length;
  const below = levels.filter((level) => level < 1 / 3).length;
  return { above, around: levels.length - above - below, below };
}

/**
 * Where a schedule leaves the noise that a model was trained at. @param {number[]} levels of sigma / sigma_data
 * @param {{low: number, high: number, log_mean: number, log_std: number} | undefined} trained in the units of sigma
 * @param {number} sigmaData
 * @returns {{above: number, below: number, shareAbove: number, shareBelow: number} | null} how many levels lie
 *   beyond either end, and how much of training lies beyond the first and the last level; null if nothing is known
 */
export function beyond(levels, trained, sigmaData) {
  if (!trained) return null;
  const native = levels.map((level) => level * sigmaData);
  const z = (sigma) => (Math.log(sigma) - trained.log_mean) / trained.log_std;
  return {
    above: native.filter((sigma) => sigma > trained.high).length,
    below: native.filter((sigma) => sigma < trained.low).length,
    shareAbove: tail(z(native[0])),
    shareBelow: tail(-z(native.at(-1))),
  };
}

/**
 * Share of a standard normal distribution above z, by the continued fraction of erfc (relative error below 2e-7,
 * Press et al., Numerical Recipes, section 6.2). @param {number} z
 */
export function tail(z) {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const series = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
  ];
  const sum = series.reduceRight((value, c) => c + t * value, 0);
  const erfc = t * Math.exp(-x * x + sum);
  return z >= 0 ? erfc / 2 : 1 - erfc / 2;
}
