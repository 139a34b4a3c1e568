/** What AlphaFold 2 and 3 are compared by. */

import { COMMON, whole } from "./compare.js";
import { decode, sampleOf } from "./decode.js";
import { Molecule } from "./molecule.js";
import { spread, superpose } from "./superpose.js";
import { number, paragraph, t } from "./text.js";

/** C-alpha coordinates of every sample. @param {import("./run.js").Run} run @returns {Float32Array[]} */
function traces(run) {
  const { traces: chains } = new Molecule(run.start);
  const chosen = chains.flat();
  const array = decode(run.done.sample);
  const atoms = chosen.length > 0 ? chosen : Array.from({ length: array.shape.at(-2) }, (_, i) => i);
  return Array.from({ length: run.samples }, (_, k) => {
    const { values } = sampleOf(array, 2, k);
    return Float32Array.from({ length: 3 * atoms.length }, (_, i) => values[3 * atoms[Math.floor(i / 3)] + (i % 3)]);
  });
}

/** @param {{run: any, done: any}} side */
function spreadOf({ run, done }) {
  if (!done) return null;
  if (run.stepwise) return t("twins.spread.one");
  if (run.samples < 2) return t("twins.spread.single");
  return t("twins.spread", { value: number(spread(traces(run))) });
}

/**
 * AlphaFold 2's answer laid onto AlphaFold 3's, where both have the same residues. @param {any} panels
 * @returns {{turn: import("./orientation.js").Quaternion, rmsd: number, onto: Float32Array} | null} onto: AlphaFold 3's
 *   C-alpha
 */
export function together(panels) {
  const runs = [panels.alphafold2.run, panels.alphafold3.run];
  if (!runs.every((run) => run?.done)) return null;
  const [two, three] = [traces(runs[0])[0], traces(runs[1])[panels.alphafold3.sample]];
  return two.length === three.length ? { ...superpose(two, three), onto: three } : null;
}

const score = (name) => ({ done, sample }) =>
  sample === 0 && typeof done?.scores?.[name] === "number" ? number(done.scores[name]) : null;

/** @type {import("./compare.js").Comparison} */
export const TWINS = {
  words: "twins",
  sides: ["alphafold2", "alphafold3"],
  rows: [
    ["input", ({ run }) => run?.start?.title ?? null],
    ["origin", COMMON.origin],
    ["order", ({ run }) => (run?.start ? t(run.stepwise ? "twins.order.blocks" : "twins.order.noise") : null)],
    ["calls", COMMON.calls],
    ["ms", COMMON.ms],
    ["answers", ({ run }) => (run?.done ? whole(run.samples) : null)],
    ["spread", spreadOf],
    ["lddt", score("lddt")],
    ["rmsd", ({ done, sample }) => {
      const value = score("rmsd_to_reference")({ done, sample });
      return value === null ? null : t("twins.spread", { value });
    }],
    ["parameters", COMMON.parameters],
  ],
  summary: ([two, three], panels) => {
    const { refusal } = panels.alphafold2;
    if (refusal) return t("twins.none", { reason: refusal });
    const both = panels.alphafold2.run?.done && panels.alphafold3.run?.done;
    if (!both) return t("twins.waiting");
    const parts = two && three ? [t("twins.summary", { two: whole(two), three: whole(three) })] : [];
    const laid = together(panels);
    if (laid) parts.push(t("twins.apart", { value: number(laid.rmsd) }));
    return paragraph(parts);
  },
};
