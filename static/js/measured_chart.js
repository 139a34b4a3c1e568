/** The guess against a measured structure, frame by frame: a small chart, a sentence, a table. */

import { loadPlotly, react } from "./plotly.js";
import { knows, listed, number, paragraph, t } from "./text.js";
import { DATA_ZONE, levelOf, positionOf } from "./timeline.js";
import { ratioWords, tickLabel } from "./words.js";

/** Scores from 0 to 1; everything else is an error in its unit. */
const SHARES = new Set(["lddt", "tm"]);
const DASHES = ["solid", "dash", "dot", "dashdot"];
const LABEL_AT = 0.62; // along the axis

/** @typedef {{name: string, accent: string, run: import("./run.js").Run}} Row */

/** Numbers per frame that a run was scored by. @param {import("./run.js").Run | null} run @returns {[string, number[]][]} */
export function measuresOf(run) {
  const given = run?.done?.against_reference ?? {};
  return Object.entries(given).filter(
    ([name, values]) => knows(`measured.${name}`) && Array.isArray(values) && values.length > 1,
  );
}

/** Noise of every frame, null where there is none. @param {import("./run.js").Run} run @param {number} count */
function noiseOf(run, count) {
  const levels = run.done.against_reference.sigma_over_data ?? run.done.settling?.sigma_over_data ?? [];
  return Array.from({ length: count }, (_, i) => levels[i] ?? null);
}

/** @param {string} name */
const nameOf = (name) => {
  if (SHARES.has(name) || name === "clashes") return t(`measured.${name}`);
  return t(name === "angle_error" ? "measured.unit.degrees" : "measured.unit", { name: t(`measured.${name}`) });
};

export class MeasuredChart {
  /** @param {HTMLElement} root @param {HTMLElement} frame whose edges are the axis' edges */
  constructor(root, frame) {
    this.root = root;
    this.frame = frame;
    this.element = root.querySelector(".chart");
    new ResizeObserver(() => this.last && this.draw(...this.last).catch(() => {})).observe(frame);
  }

  /** @param {Row[]} rows @param {import("./timeline.js").Axis} axis @param {number[]} ticks */
  async draw(rows, axis, ticks) {
    const scored = rows.filter(({ run }) => measuresOf(run).length > 0);
    this.last = [rows, axis, ticks];
    this.root.hidden = scored.length === 0;
    if (scored.length === 0) return;
    this.root.querySelector(".summary-end").textContent = paragraph(scored.map(summaryOf));
    this.root.querySelector(".scroll").replaceChildren(...scored.map(tableOf));
    await loadPlotly();
    if (this.last[0] !== rows || !this.element.clientWidth) return;
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const size = Number.parseFloat(style.fontSize) * 0.82;
    const traces = [];
    const annotations = [];
    for (const { name, accent, run } of scored)
      measuresOf(run).forEach(([measure, values], k) => {
        const noise = noiseOf(run, values.length);
        const x = noise.map((ratio, i) =>
          ratio ? positionOf(axis, levelOf(ratio)) : ((i + 1) / values.length) * (1 - DATA_ZONE),
        );
        const y = SHARES.has(measure) ? "y" : "y2";
        const line = { color: colour(accent), width: 2.2, dash: DASHES[k % DASHES.length] };
        const text = values.map((value, i) => {
          const place = noise[i]
            ? t("measured.place", { noise: ratioWords(noise[i]) })
            : t("measured.step", { step: i + 1 });
          return t("measured.hover", { name: nameOf(measure), value: number(value), place });
        });
        traces.push({ x, y: values, yaxis: y, mode: "lines", line, text, hoverinfo: "text", showlegend: false });
        const at = Math.max(0, x.findIndex((u) => u > LABEL_AT - 0.16 * k));
        const whose = scored.length > 1 ? `${name}: ` : "";
        annotations.push({ x: x[at], y: values[at], xref: "x", yref: y, text: whose + t(`measured.${measure}`),
          showarrow: false, yshift: 9, bgcolor: colour("paper"), borderpad: 1, font: { color: colour(accent), size } });
      });
    const box = this.frame.getBoundingClientRect();
    const own = this.element.getBoundingClientRect();
    const shown = ticks.map((level) => [positionOf(axis, level), level]).filter(([u]) => u > 0.04 && u < 0.93);
    const kept = box.width < 560 ? shown.filter(([, level]) => level % 2 === 0) : shown;
    const plain = { fixedrange: true, gridcolor: colour("line"), zerolinecolor: colour("line-strong"), color: colour("ink-2") };
    const layout = {
      width: this.element.clientWidth,
      height: 250,
      margin: { l: box.left - own.left, r: own.right - box.right, t: 8, b: 30, pad: 0 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, size, color: colour("ink-2") },
      hovermode: "closest",
      hoverlabel: { bgcolor: colour("ink"), font: { color: colour("paper"), size } },
      dragmode: false,
      uirevision: "fixed",
      xaxis: { ...plain, range: [0, 1], zeroline: false, anchor: "y2",
        tickvals: kept.map(([u]) => u), ticktext: kept.map(([, level]) => (level === 0 ? "1" : tickLabel(level))) },
      yaxis: { ...plain, domain: [0.56, 1], range: [-0.03, 1.06], tickvals: [0, 0.5, 1] },
      yaxis2: { ...plain, domain: [0, 0.46], rangemode: "tozero", nticks: 4 },
      annotations,
    };
    await react(this.element, traces, layout);
    this.element.dataset.state = "drawn";
    this.element.style.minHeight = `${layout.height}px`;
  }
}

/** @param {Row} row */
function summaryOf({ name, run }) {
  const parts = measuresOf(run).map(([measure, values]) =>
    t("measured.part", { name: nameOf(measure), value: number(values.at(-1)) }),
  );
  return t("measured.summary", { name, parts: listed(parts) });
}

/** @param {Row} row */
function tableOf({ name, run }) {
  const measures = measuresOf(run);
  const table = document.createElement("table");
  table.createCaption().textContent = t("measured.caption", { name });
  const head = table.createTHead().insertRow();
  for (const title of [t("chart.column"), ...measures.map(([measure]) => nameOf(measure))])
    head.append(Object.assign(document.createElement("th"), { scope: "col", textContent: title }));
  const body = table.createTBody();
  noiseOf(run, measures[0][1].length).forEach((ratio, i) => {
    const row = body.insertRow();
    const place = ratio ? ratioWords(ratio) : t("measured.step", { step: i + 1 });
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: place }));
    for (const [, values] of measures) row.insertCell().textContent = number(values[i]);
  });
  return table;
}
