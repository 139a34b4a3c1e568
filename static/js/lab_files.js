/** The comparison as a file: everything that it was made from, and its numbers. Pure but for `save`. */

import { overSeeds } from "./lab_numbers.js";
import { levelsOf } from "./lab_schedules.js";
import { rowsOf } from "./lab_table.js";

/**
 * @typedef {{address: string, seed: number, inputs: Record<string, object>,
 *   sides: Record<"a" | "b", import("./lab_schedules.js").Side>, models: import("./lab_chart.js").Model[],
 *   checkpoints: Record<string, object>,
 *   pairs: {id: string, a: import("./run.js").Run, b: import("./run.js").Run}[],
 *   seeds: {id: string, pairs: {seed: number, a: import("./run.js").Run, b: import("./run.js").Run}[]}[]}} Experiment
 */

/** @param {Experiment} experiment @returns {object} */
export function documentOf({ address, seed, inputs, sides, models, checkpoints, pairs, seeds }) {
  const side = (which) => ({ ...sides[which], sigma_over_data: levelsOf(sides[which]) });
  return {
    kind: "twofold.schedules",
    version: 1,
    made: new Date().toISOString(),
    address,
    seed,
    schedules: { a: side("a"), b: side("b") },
    models: models.map(({ id, unit, sigmaData, trained }) => ({
      id, input: inputs[id], unit, sigma_data: sigmaData, trained: trained ?? null, checkpoints: checkpoints[id] ?? {},
    })),
    comparison: pairs.map(({ id, a, b }) => ({
      model: id,
      runs: { a: runOf(a), b: runOf(b) },
      measures: rowsOf(id, a, b).map(({ key, a: one, b: two, apart }) => ({ key, a: one, b: two, difference: apart })),
    })),
    seeds: seeds.map(({ id, pairs: all }) => ({
      model: id,
      seeds: all.map((pair) => pair.seed),
      measures: overSeeds(id, all)
        .filter(({ a, b, apart }) => a || b || apart)
        .map(({ measure, a, b, apart, baseline }) => ({
          key: measure.key, scale: measure.scale ?? "linear", a, b, difference: apart, seeds_under_a: baseline,
        })),
    })),
  };
}

const runOf = ({ id, settings, start, done }) => ({
  id,
  settings,
  stages: start.stages.map(({ name, unit, sigma_data, sigmas }) => ({ name, unit, sigma_data, sigmas })),
  timings: done.timings ?? null,
  calls: done.calls ?? null,
  judged: done.judged ?? null,
  scores: done.scores ?? null,
});

/** One row per number, for a spreadsheet. @param {object} made by {@link documentOf} @returns {string} */
export function csvOf(made) {
  const rows = [["part", "model", "measure", "schedule_a", "schedule_b", "difference", "spread_a", "spread_b", "spread_difference", "seeds"]];
  rows.push(["experiment", "", "address", made.address], ["experiment", "", "seed", made.seed]);
  for (const which of ["a", "b"])
    for (const [key, value] of Object.entries(made.schedules[which])) {
      const cells = ["", ""];
      cells[which === "a" ? 0 : 1] = typeof value === "object" && value !== null ? JSON.stringify(value) : value;
      rows.push(["schedule", "", key, ...cells]);
    }
  for (const { id, input, sigma_data, checkpoints } of made.models)
    rows.push(["model", id, "input", JSON.stringify(input)], ["model", id, "sigma_data", sigma_data], ["model", id, "checkpoints", JSON.stringify(checkpoints)]);
  for (const { model, measures } of made.comparison)
    for (const { key, a, b, difference } of measures) rows.push(["comparison", model, key, a, b, difference]);
  for (const { model, seeds, measures } of made.seeds)
    for (const { key, a, b, difference } of measures)
      rows.push(["seeds", model, key, a?.mean, b?.mean, difference?.mean, a?.spread, b?.spread, difference?.spread, seeds.join(" ")]);
  return `${rows.map((cells) => Array.from(rows[0], (_, i) => quoted(cells[i])).join(",")).join("\r\n")}\r\n`;
}

/** As RFC 4180 has it; a text that a spreadsheet would compute gets an apostrophe. */
function quoted(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {string} name @param {string} text @param {string} type */
export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
