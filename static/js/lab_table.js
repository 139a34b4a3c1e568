/** The differences in numbers: one pair of runs, or means over several seeds with their spread. */

import { measuresOf, overSeeds, saidOf, valuesOf } from "./lab_numbers.js";
import { number, t } from "./text.js";
import { bandName, ratioWords } from "./words.js";

/** @typedef {import("./run.js").Run} Run */

/** Rows as data, for the table and for files. @param {string} id pipeline @param {Run} a @param {Run} b */
export function rowsOf(id, a, b) {
  return measuresOf(id, a, b)
    .map((measure) => ({ key: measure.key, name: nameOf(measure), scale: measure.scale, ...valuesOf(measure, a, b) }))
    .filter(({ a: one, b: two, apart, scale }) => one !== null || two !== null || apart !== null || scale === "log");
}

const nameOf = ({ key, band }) => (band ? t("lab.measure.settled", { band: bandName(band) }) : t(`lab.measure.${key}`));

/**
 * @param {HTMLTableElement} table @param {{id: string, name: string, a: Run, b: Run}[]} pairs
 */
export function fillPairs(table, pairs) {
  head(table, ["", t("lab.schedule.a"), t("lab.schedule.b"), t("lab.difference")]);
  table.tBodies[0].replaceChildren(
    ...pairs.flatMap(({ id, name, a, b }) => [
      groupRow(name, 4),
      ...rowsOf(id, a, b).map(({ name: measure, scale, a: one, b: two, apart }) => {
        const pair = one === null && two === null && apart !== null;
        return row(measure, pair ? ["", "", number(apart)] : [level(one, scale), level(two, scale), change(apart, scale)]);
      }),
      ...saidRows(a, b),
    ]),
  );
}

/** What is no number. @param {Run} a @param {Run} b */
function saidRows(a, b) {
  const [one, two] = [saidOf(a), saidOf(b)];
  return Object.keys({ ...one, ...two }).map((key) => {
    const text = (value) => (typeof value === "boolean" ? t(`score.stereo.${value}`) : (value ?? "–"));
    return row(t(`lab.said.${key}`), [text(one[key]), text(two[key]), t(one[key] === two[key] ? "lab.same" : "lab.other")]);
  });
}

/** @param {HTMLTableElement} table @param {{id: string, name: string, pairs: {seed: number, a: Run, b: Run}[]}[]} groups */
export function fillSeeds(table, groups) {
  head(table, ["", t("lab.schedule.a"), t("lab.schedule.b"), t("lab.difference"), t("lab.baseline")]);
  table.tBodies[0].replaceChildren(
    ...groups.flatMap(({ id, name, pairs }) => [
      groupRow(name, 5),
      ...overSeeds(id, pairs)
        .filter(({ a, b, apart }) => a || b || apart)
        .map(({ measure, a, b, apart, baseline }) => {
          const { scale } = measure;
          const cells = measure.apart
            ? ["", "", spread(apart), spread(baseline)]
            : [spread(a, scale), spread(b, scale), spread(apart, scale), ""];
          return row(nameOf(measure), cells);
        }),
      ...agreement(pairs),
    ]),
  );
}

/** In how many seeds both schedules got the same name from the judge. */
function agreement(pairs) {
  const said = pairs.map(({ a, b }) => [saidOf(a).label, saidOf(b).label]).filter(([a]) => a !== undefined);
  if (said.length === 0) return [];
  const same = said.filter(([a, b]) => a === b).length;
  return [row(t("lab.said.label"), ["", "", t("lab.agree", { same, count: said.length }), ""])];
}

/** Mean with its spread; levels and ratios have a factor. @param {any} found @param {string | undefined} scale */
export function spread(found, scale) {
  if (!found) return "–";
  const { mean, spread: width, count } = found;
  if (count < 2) return level(mean, scale);
  if (scale === "log") return t("lab.spread.factor", { mean: ratioWords(mean), factor: number(width) });
  return t("lab.spread", { mean: number(mean).replace("-", "−"), spread: number(width) });
}

const level = (value, scale) => (value === null ? "–" : scale === "log" ? ratioWords(value) : number(value));

/** @param {number | null} value B less A, or B over A for levels */
function change(value, scale) {
  if (value === null) return "–";
  if (scale === "log") return t("lab.times", { value: number(value) });
  return `${value > 0 ? "+" : ""}${number(value)}`.replace("-", "−");
}

function head(table, titles) {
  const line = document.createElement("tr");
  line.append(
    ...titles.map((title) =>
      title ? Object.assign(document.createElement("th"), { scope: "col", textContent: title }) : document.createElement("td"),
    ),
  );
  table.tHead.replaceChildren(line);
}

function groupRow(name, span) {
  const line = Object.assign(document.createElement("tr"), { className: "lab-group" });
  line.append(Object.assign(document.createElement("th"), { scope: "colgroup", colSpan: span, textContent: name }));
  return line;
}

function row(name, cells) {
  const line = document.createElement("tr");
  line.append(Object.assign(document.createElement("th"), { scope: "row", textContent: name }));
  for (const text of cells) line.insertCell().textContent = text;
  return line;
}
