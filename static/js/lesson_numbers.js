/** What lessons measure on the runs that are on the stage. Pure: runs in, numbers out. */

import { decode, sampleOf } from "./decode.js";
import { endOf } from "./particles_view.js";
import { SCALE } from "./timeline.js";

/** @typedef {import("./run.js").Run} Run */

/** Noise / data at which a scale has settled, null if it never did. @param {Run | null} run @param {0 | 2} scale */
export function settled(run, scale) {
  const band = run?.done?.settling?.bands?.find(({ name }) => SCALE[name] === scale);
  return band?.settled_at > 0 ? band.settled_at : null;
}

/** Settling of the dye, by name of the band. @param {Run | null} run @param {string} name */
export function settledBand(run, name) {
  const band = run?.done?.settling?.bands?.find((other) => other.name === name);
  return band?.settled_at > 0 ? band.settled_at : null;
}

/**
 * Which of two levels is the noisier one: 0 the first, 1 the second, 2 about the same (within a tenth).
 * @param {number | null} a @param {number | null} b @returns {0 | 1 | 2 | null}
 */
export function noisier(a, b) {
  if (!(a > 0) || !(b > 0)) return null;
  if (Math.max(a, b) / Math.min(a, b) < 1.1) return 2;
  return a > b ? 0 : 1;
}

/** Mean cosine of all pairs of image embeddings, null with fewer than two. @param {Run | null} run */
export function likeness(run) {
  const embed = run?.done?.image_embed;
  if (!embed || run.samples < 2) return null;
  const all = decode(embed);
  const vectors = Array.from({ length: run.samples }, (_, k) => sampleOf(all, 1, k).values);
  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const cosines = vectors.flatMap((a, i) =>
    vectors.slice(i + 1).map((b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))),
  );
  return mean(cosines);
}

/** Mean difference of all pairs of finished pictures, in percent of the range from black to white. @param {Run | null} run */
export function variety(run) {
  if (!run?.done || run.samples < 2) return null;
  const all = decode(run.done.sample);
  const pictures = Array.from({ length: run.samples }, (_, k) => sampleOf(all, 3, k).values);
  return mean(pictures.flatMap((a, i) => pictures.slice(i + 1).map((b) => (100 * rms(a, b)) / 255)));
}

/** How far two finished pictures differ, in percent of the range from black to white. @param {Run | null} a @param {Run | null} b */
export function pictureDifference(a, b) {
  if (!a?.done || !b?.done) return null;
  const [one, two] = [a, b].map((run) => sampleOf(decode(run.done.sample), 3, 0));
  return one.values.length === two.values.length ? (100 * rms(one.values, two.values)) / 255 : null;
}

/**
 * How far two finished molecules of the same atoms differ: root mean square of the differences of all
 * distances between atoms, in Å. It needs no superposition and does not see a mirror image.
 * @param {Run | null} a @param {Run | null} b
 */
export function moleculeDifference(a, b) {
  if (!a?.done || !b?.done) return null;
  const [one, two] = [a, b].map((run) => distances(sampleOf(decode(run.done.sample), 2, 0).values));
  return one.length === two.length && one.length > 0 ? rms(one, two) : null;
}

function distances(xyz) {
  const out = [];
  for (let i = 0; i < xyz.length; i += 3)
    for (let j = i + 3; j < xyz.length; j += 3)
      out.push(Math.hypot(xyz[i] - xyz[j], xyz[i + 1] - xyz[j + 1], xyz[i + 2] - xyz[j + 2]));
  return out;
}

/**
 * Two clouds of particles: how far the same particle came to lie from where it lay before, and how far it
 * is from there to the nearest particle of the other cloud. In sizes of the drop.
 * @param {Run | null} a @param {Run | null} b @returns {{same: number, nearest: number} | null}
 */
export function clouds(a, b) {
  const [one, two] = [endOf(a)?.values, endOf(b)?.values];
  if (!one || !two) return null;
  const count = Math.min(one.length, two.length);
  const same = [];
  const nearest = [];
  const stride = 2 * Math.max(1, Math.floor(count / 2 / 400)); // a few hundred particles say enough
  for (let i = 0; i < count; i += stride) {
    same.push(Math.hypot(one[i] - two[i], one[i + 1] - two[i + 1]));
    let least = Infinity;
    for (let j = 0; j < two.length; j += 2) least = Math.min(least, Math.hypot(one[i] - two[j], one[i + 1] - two[j + 1]));
    nearest.push(least);
  }
  return { same: mean(same), nearest: mean(nearest) };
}

/**
 * Steps of the first picture stage above and below the level where noise equals data.
 * @param {Run | null} run @returns {{all: number, below: number} | null}
 */
export function stepsBelow(run) {
  const name = run?.pictureStages[0]?.name;
  const stage = run?.start?.stages.find((other) => other.name === name);
  const sigmas = (stage?.sigmas ?? []).filter((sigma) => sigma > 0);
  if (sigmas.length === 0) return null;
  return { all: sigmas.length, below: sigmas.filter((sigma) => sigma < stage.sigma_data).length };
}

/** Whether a run of this step has another seed than the one before it. @param {import("./lesson_watch.js").Facts} now @param {string} id */
export function otherSeed(now, id) {
  const fresh = now.fresh(id);
  const before = now.all(id).findLast((run) => run !== fresh);
  return fresh !== null && before !== undefined && fresh.settings.seed !== before.settings.seed;
}

/** Forward passes of all networks. @param {Run | null} run */
export function calls(run) {
  if (!run?.done?.calls) return null;
  return Object.values(run.done.calls).reduce((sum, count) => sum + count, 0);
}

/** Samples in which the judge's first word stands in the caption. @param {Run | null} run */
export function named(run) {
  if (!run?.done?.judged) return null;
  const words = new Set((run.input.prompt ?? "").toLowerCase().match(/\p{L}+/gu) ?? []);
  const hits = run.done.judged.filter(([best]) => best?.label.toLowerCase().match(/\p{L}+/gu)?.some((w) => words.has(w)));
  return hits.length;
}

const mean = (values) => (values.length ? values.reduce((sum, v) => sum + v, 0) / values.length : null);

function rms(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum / a.length);
}
