/**
 * The way from data to noise, computed in the browser: every particle takes random steps that are
 * independent of where it is (Brownian motion; Song et al. 2021, eq. 9). Pure.
 *
 * The result is a Run like any other, noise first, so that the player, its axis and the views need to
 * know nothing of it. Its source is "computed".
 */

import { Run } from "./run.js";

/** Levels between noise and data: enough that straight lines between them look like a curve. */
export const LEVELS = 72;

/**
 * @param {import("./run.js").Run} gathered a complete run of the dye
 * @param {import("./decode.js").Decoded} start (P, 2) or (S, P, 2): where the particles are without noise
 * @param {number} seed whole number
 * @returns {import("./run.js").Run}
 */
export function spread(gathered, start, seed) {
  const { sigmaData, top, bottom, name, unit } = gathered.stages[0];
  const sigmas = Array.from({ length: LEVELS }, (_, i) => {
    const level = top + (i / (LEVELS - 1)) * (bottom - top);
    return sigmaData * 10 ** level;
  });
  const { input, settings } = gathered;
  const run = new Run({ pipeline: gathered.pipeline, input, settings, source: "computed" });
  run.apply("start", { stages: [{ name, unit, sigma_data: sigmaData, sigmas: [...sigmas, 0] }], notes: [] });
  const normal = gaussian(seed);
  const walked = Float32Array.from(start.values);
  const states = [];
  let before = 0;
  for (let i = LEVELS - 1; i >= 0; i -= 1) {
    const stride = Math.sqrt(sigmas[i] ** 2 - before ** 2); // variances of independent steps add up
    for (let k = 0; k < walked.length; k += 1) walked[k] += stride * normal();
    before = sigmas[i];
    states[i] = walked.slice();
  }
  states.forEach((values, step) => {
    const sigma = sigmas[step];
    run.apply("frame", {
      stage: name,
      step,
      steps: LEVELS,
      sigma,
      sigma_over_data: sigma / sigmaData,
      decoded: { x: { shape: start.shape, values }, denoised: start },
    });
  });
  run.apply("done", { decoded: start, sample: start });
  return run;
}

/** Normally distributed numbers of a seed: a small generator and Box and Muller's way. @param {number} seed */
export function gaussian(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  let spare = NaN;
  return () => {
    if (!Number.isNaN(spare)) {
      const kept = spare;
      spare = NaN;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
