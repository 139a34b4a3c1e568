/** One seed under several schedules: which runs belong together, and their numbers as a table. */

import { moleculeDifference, pictureDifference, settled, stepsBelow } from "./lesson_numbers.js";
import { number, t } from "./text.js";
import { ratioWords } from "./words.js";

const KINDS = ["karras", "linear", "cosine", "af3", "karras_few", "linear_few", "cosine_few"];
/** Runs with so few steps are a column of their own. */
export const FEW = 10;
const DIFFERENCE = { dalle2: pictureDifference, alphafold3: moleculeDifference };

/**
 * The newest run of each kind of schedule, few steps apart from many, of those with the newest run's seed and input.
 * @param {import("./lesson_watch.js").Facts} now @param {string} id
 * @returns {Record<string, import("./run.js").Run>}
 */
export function scheduled(now, id) {
  const runs = now.all(id).filter(({ source }) => source === "live");
  const last = runs.at(-1);
  const same = runs.filter(
    ({ input, settings }) =>
      settings.seed === last.settings.seed && JSON.stringify(input) === JSON.stringify(last.input),
  );
  return Object.fromEntries(
    same.map((run) => [`${run.settings.schedule.kind}${run.settings.steps <= FEW ? "_few" : ""}`, run]),
  );
}

/**
 * @param {import("./lesson_watch.js").Facts} now
 * @returns {{head: string[], rows: string[][]} | null} a row of one cell is a heading; null until two schedules can be compared
 */
export function scheduleTable(now) {
  const sides = ["dalle2", "alphafold3"].map((id) => ({ id, runs: scheduled(now, id) }));
  const kinds = KINDS.filter((kind) => sides.some(({ runs }) => runs[kind]));
  if (kinds.length < 2) return null;
  const rows = sides.flatMap(({ id, runs }) => {
    const row = (key, value) => [t(`lesson.row.${key}`), ...kinds.map((kind) => value(runs[kind] ?? null, kind) ?? "–")];
    const usual = runs.karras ?? null;
    const scored = Object.values(runs).some(({ done }) => typeof done.scores?.lddt === "number");
    return [
      [t(`lesson.rows.${id}`)],
      row("steps", (run) => run && String(run.settings.steps)),
      row("below", (run) => stepsText(run)),
      row("global", (run) => levelText(run, 0)),
      row("local", (run) => levelText(run, 2)),
      row(`difference.${id}`, (run, kind) => (kind === "karras" ? null : differenceText(DIFFERENCE[id](usual, run)))),
      ...(scored ? [row("lddt", (run) => scoreText(run?.done.scores?.lddt))] : []),
    ];
  });
  return { head: ["", ...kinds.map((kind) => t(`lesson.schedule.${kind}`))], rows };
}

const stepsText = (run) => {
  const steps = stepsBelow(run);
  return steps && String(steps.below);
};
const levelText = (run, scale) => {
  if (!run) return null;
  const level = settled(run, scale);
  return level === null ? t("lesson.never") : ratioWords(level);
};
const differenceText = (value) => (value === null ? null : number(value));
const scoreText = (value) => (typeof value === "number" ? number(value) : null);
