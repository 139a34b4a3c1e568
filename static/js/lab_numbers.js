/**
 * What two runs of one seed under two schedules are compared by, and means over several seeds. Pure but for
 * the catalogue's names of bands.
 *
 * @typedef {import("./run.js").Run} Run
 * @typedef {{key: string, own?: (run: Run) => number | null, apart?: (a: Run, b: Run) => number | null,
 *   scale?: "log", digits?: string}} Measure
 *   own: a number of one run; apart: of a pair; scale "log": levels, compared by their ratio
 */

import { decode, sampleOf } from "./decode.js";
import { bandsApart } from "./lab_bands.js";
import { calls, moleculeDifference } from "./lesson_numbers.js";
import { superpose } from "./superpose.js";

const given = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
const COMMON = [
  { key: "calls", own: calls },
  { key: "seconds", own: ({ done }) => given(done.timings?.total_s) },
  { key: "forward", own: ({ done }) => given(done.timings?.forward_s) },
];

const cached = new WeakMap();
/** @param {Run} a @param {Run} b */
function picturesApart(a, b) {
  const kept = cached.get(a);
  if (kept?.b === b) return kept.bands;
  const [one, two] = [a, b].map(({ done }) => sampleOf(decode(done.sample), 3, 0));
  const bands = one.values.length === two.values.length ? bandsApart(one, two) : null;
  cached.set(a, { b, bands });
  return bands;
}

const xyzOf = ({ done }) => sampleOf(decode(done.sample), 2, 0).values;

/** RMSD of the whole molecules after superposition, Å. @param {Run} a @param {Run} b */
function rmsd(a, b) {
  const [one, two] = [xyzOf(a), xyzOf(b)];
  return one.length === two.length && one.length > 0 ? superpose(one, two).rmsd : null;
}

/** Mean absolute error of the bond lengths against the reference, Å. @param {Run} run */
export function bondError({ start, done }) {
  if (!done.reference || !start.bonds?.length) return null;
  const [found, true_] = [xyzOf({ done }), sampleOf(decode(done.reference), 2, 0).values];
  if (found.length !== true_.length) return null;
  const long = (xyz, i, j) => Math.hypot(...[0, 1, 2].map((k) => xyz[3 * i + k] - xyz[3 * j + k]));
  const errors = start.bonds.map(([i, j]) => Math.abs(long(found, i, j) - long(true_, i, j)));
  const known = errors.filter(Number.isFinite);
  return known.length ? known.reduce((sum, e) => sum + e, 0) / known.length : null;
}

/** @type {Record<string, Measure[]>} by pipeline */
const MEASURES = {
  dalle2: [
    ...COMMON,
    ...["whole", "low", "middle", "high"].map((band) => ({
      key: `apart.${band}`,
      apart: (a, b) => picturesApart(a, b)?.[band] ?? null,
    })),
    { key: "judged", own: ({ done }) => given(done.judged?.[0]?.[0]?.probability) },
    { key: "clip", own: ({ done }) => given(done.clip_score?.[0]) },
  ],
  alphafold3: [
    ...COMMON,
    { key: "apart.rmsd", apart: rmsd },
    { key: "apart.distances", apart: moleculeDifference },
    { key: "reference.rmsd", own: ({ done }) => given(done.scores?.rmsd_to_reference) },
    { key: "reference.lddt", own: ({ done }) => given(done.scores?.lddt) },
    { key: "reference.bonds", own: bondError },
    { key: "plddt", own: ({ done }) => given(done.scores?.plddt) },
  ],
};

/** The measures that a pair of runs has, settling levels last. @param {string} id pipeline @param {Run} a @param {Run} b @returns {Measure[]} */
export function measuresOf(id, a, b) {
  const bands = [a, b].map(({ done }) => done.settling?.bands ?? []);
  const shared = bands[0].filter(({ name }) => bands[1].some((band) => band.name === name));
  const settling = shared.map((band) => ({
    key: `settled.${band.name}`,
    band,
    scale: "log",
    own: ({ done }) => given(done.settling?.bands.find(({ name }) => name === band.name)?.settled_at),
  }));
  return [...MEASURES[id], ...settling];
}

/** Values of a measure. @param {Measure} measure @param {Run} a @param {Run} b @returns {{a: number | null, b: number | null, apart: number | null}} */
export function valuesOf({ own, apart, scale }, a, b) {
  if (apart) return { a: null, b: null, apart: apart(a, b) };
  const [one, two] = [own(a), own(b)];
  const both = one !== null && two !== null;
  return { a: one, b: two, apart: both ? (scale === "log" ? two / one : two - one) : null };
}

/** What a judge or a chemist says of a run. @param {Run} run @returns {Record<string, string | boolean>} */
export function saidOf({ done }) {
  const said = {};
  if (done.judged?.[0]?.[0]) said.label = done.judged[0][0].label;
  if (typeof done.scores?.stereo === "boolean") said.stereo = done.scores.stereo;
  return said;
}

/**
 * Mean and standard deviation (n - 1), of logarithms for levels and ratios: then mean is a geometric mean and
 * spread a factor. @param {(number | null)[]} values @param {"log" | undefined} scale
 * @returns {{mean: number, spread: number, count: number} | null} null without a value
 */
export function statistics(values, scale) {
  const known = values.filter((value) => value !== null && (scale !== "log" || value > 0));
  if (known.length === 0) return null;
  const used = scale === "log" ? known.map(Math.log) : known;
  const mean = used.reduce((sum, v) => sum + v, 0) / used.length;
  const variance = used.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(1, used.length - 1);
  const back = scale === "log" ? Math.exp : (v) => v;
  return { mean: back(mean), spread: back(Math.sqrt(variance)), count: used.length };
}

/**
 * All measures over several seeds. @param {string} id @param {{seed: number, a: Run, b: Run}[]} pairs
 * @returns {{measure: Measure, a: any, b: any, apart: any, baseline: any}[]} baseline: how far two seeds under
 *   schedule A lie apart, for measures of pairs
 */
export function overSeeds(id, pairs) {
  const [{ a, b }] = pairs;
  const between = pairs.flatMap((one, i) => pairs.slice(i + 1).map((two) => [one.a, two.a]));
  return measuresOf(id, a, b).map((measure) => {
    const values = pairs.map((pair) => valuesOf(measure, pair.a, pair.b));
    const of = (which) => statistics(values.map((value) => value[which]), which === "apart" && measure.apart ? undefined : measure.scale);
    const baseline = measure.apart ? statistics(between.map(([one, two]) => measure.apart(one, two))) : null;
    return { measure, a: of("a"), b: of("b"), apart: of("apart"), baseline };
  });
}
