/** Error of the guess against noise, on the player's own axis. */

import { loadPlotly, react } from "./plotly.js";
import { SCALE, levelOf, positionOf } from "./timeline.js";
import { percent, t } from "./text.js";
import { bandName, ratioWords, tickLabel } from "./words.js";

const LINES = [
  { dash: "solid", width: 3.2 },
  { dash: "dash", width: 2 },
  { dash: "dot", width: 2 },
];
/** Guesses at high noise are unstable; what rises above this would squash everything else. */
export const HIGHEST = 1.25;
/** The other track of a forked run: grey, and every scale dashed. */
const GHOST_LINES = [
  { dash: "8px,4px", width: 2.6 },
  { dash: "5px,4px", width: 1.7 },
  { dash: "2px,4px", width: 1.7 },
];
const MARKS = ["circle", "diamond", "triangle-up"];
/** Where each curve's name is written: on the curve, at this error. */
const LABEL_AT = [0.8, 0.55, 0.3];

/**
 * @typedef {{name: string, track: string, settling: any}} GhostRow the other track of a forked run
 * @typedef {{name: string, accent: string, settling: any, ghost: GhostRow | null}} Row one run with its settling
 *   curves, null while it has none
 */
export class Chart {
  /** @param {HTMLElement} element @param {HTMLElement} frame whose edges are the axis' edges */
  constructor(element, frame) {
    this.element = element;
    this.frame = frame;
    new ResizeObserver(() => this.last && this.draw(...this.last).catch(() => {})).observe(frame);
  }

  /** @param {Row[]} rows @param {import("./timeline.js").Axis} axis @param {number[]} ticks levels */
  async draw(rows, axis, ticks) {
    this.last = [rows, axis, ticks];
    await loadPlotly();
    if (this.last[0] !== rows) return; // a newer call is under way
    if (!this.element.clientWidth) return; // another tab is open; this one is drawn when it is shown
    const style = getComputedStyle(this.element);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const size = Number.parseFloat(style.fontSize) * 0.82;
    const box = this.frame.getBoundingClientRect();
    const own = this.element.getBoundingClientRect();
    const narrow = box.width < 560;
    const annotations = [];
    const text = (y, words, more) => ({ text: words, xref: "x", yref: y, showarrow: false, ...more });
    const traces = rows.flatMap(({ name, accent, settling, ghost }, k) => {
      const y = k === 0 ? "y" : `y${k + 1}`;
      const corner = { x: 0.992, y: 1.08, xanchor: "right", yanchor: "top" };
      const bold = { color: colour(accent), size: size * 1.1, weight: 700 };
      annotations.push(text(y, name, { ...corner, font: bold }));
      const given = { axis, y, paper: colour("paper") };
      const behind = ghost ? curvesOf(ghost.settling, { ...given, colour: colour("ink-2"), lines: GHOST_LINES, track: ghost.track }) : [];
      if (ghost) {
        const words = t("branch.chart.key", { track: ghost.track });
        annotations.push(text(y, words, { ...corner, yshift: -1.5 * size, font: { color: colour("ink-2"), size } }));
      }
      const x = settling?.sigma_over_data.map((ratio) => positionOf(axis, levelOf(ratio)));
      for (const [order, band] of (settling?.bands ?? []).entries()) {
        const place = labelPlace(x, band.error, LABEL_AT[SCALE[band.name] ?? order % 3]);
        const font = { color: colour(accent), size };
        annotations.push(text(y, bandName(band), { ...place, xanchor: "left", xshift: 5, bgcolor: colour("paper"), borderpad: 1, font }));
      }
      return [...behind, ...(settling ? curvesOf(settling, { ...given, colour: colour(accent), lines: LINES }) : [])];
    });
    const yAxis = (domain, highest) => ({
      domain,
      range: [-0.06, Math.min(Math.max(highest * 1.04, 1.1), HIGHEST)],
      tickvals: [0, 0.5, 1],
      fixedrange: true,
      gridcolor: colour("line"),
      zerolinecolor: colour("line-strong"),
      color: colour("ink-2"),
      ticklabelstandoff: 6,
    });
    const highest = (row) => Math.max(1, ...[row?.settling, row?.ghost?.settling].flatMap((one) => one?.bands.flatMap(({ error }) => error) ?? []));
    const threshold = rows.map((_, k) => ({
      type: "line",
      x0: 0,
      x1: 1,
      y0: 0.1,
      y1: 0.1,
      xref: "x",
      yref: k === 0 ? "y" : `y${k + 1}`,
      line: { color: colour("line-strong"), width: 1, dash: "dot" },
      layer: "below",
    }));
    const shown = ticks.map((level) => [positionOf(axis, level), level]).filter(([u]) => u > 0.04 && u < 0.93);
    const kept = narrow ? shown.filter(([, level]) => level % 2 === 0) : shown;
    const layout = {
      width: this.element.clientWidth,
      height: 170 * rows.length + 40,
      margin: { l: box.left - own.left, r: own.right - box.right, t: 6, b: 34, pad: 0 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, size, color: colour("ink-2") },
      hovermode: "closest",
      hoverlabel: { bgcolor: colour("ink"), font: { color: colour("paper"), size } },
      dragmode: false,
      uirevision: "fixed",
      xaxis: {
        range: [0, 1],
        fixedrange: true,
        showgrid: true,
        gridcolor: colour("line"),
        zeroline: false,
        color: colour("ink-2"),
        tickvals: kept.map(([u]) => u),
        ticktext: kept.map(([, level]) => (narrow && level === 0 ? "1" : tickLabel(level))),
        anchor: rows.length > 1 ? `y${rows.length}` : "y",
      },
      yaxis: yAxis(rows.length > 1 ? [0.54, 1] : [0, 1], highest(rows[0])),
      ...(rows.length > 1 ? { yaxis2: yAxis([0, 0.46], highest(rows[1])) } : {}),
      annotations,
      shapes: threshold,
    };
    this.element.querySelector(".waiting")?.remove();
    await react(this.element, traces, layout);
    this.element.dataset.state = "drawn";
    this.element.style.minHeight = `${layout.height}px`;
  }
}

/**
 * A run's curves, and where each has settled.
 * @param {any} settling @param {{axis: import("./timeline.js").Axis, y: string, colour: string, paper: string,
 *   lines: object[], track?: string}} look track: said before the words of each point
 * @returns {object[]} traces
 */
function curvesOf(settling, { axis, y, colour, paper, lines, track }) {
  const x = settling.sigma_over_data.map((ratio) => positionOf(axis, levelOf(ratio)));
  const said = (words) => (track ? t("branch.chart.hover", { track, words }) : words);
  const plain = { yaxis: y, hoverinfo: "text", showlegend: false };
  return settling.bands.flatMap((band, order) => {
    const b = SCALE[band.name] ?? order % 3;
    const label = bandName(band);
    const noise = settling.sigma_over_data.map(ratioWords);
    const text = band.error.map((value, i) => said(t("chart.hover", { band: label, value: percent(value), noise: noise[i] })));
    const settled = band.settled_at === null ? [] : [positionOf(axis, levelOf(band.settled_at))];
    const words = settled.map(() => said(t("settled.by", { band: label, value: ratioWords(band.settled_at) })));
    const marker = { symbol: MARKS[b], size: track ? 8 : 11, color: paper, line: { color: colour, width: track ? 2 : 2.5 } };
    return [
      { ...plain, x, y: band.error, mode: "lines", line: { color: colour, ...lines[b], shape: "linear" }, text },
      { ...plain, x: settled, y: settled.map(() => 0.1), mode: "markers", text: words, marker },
    ];
  });
}

/** Where a curve crosses an error level for the last time. @param {number[]} x @param {number[]} error @param {number} level */
function labelPlace(x, error, level) {
  let i = error.length - 1;
  while (i > 0 && error[i] < level) i -= 1;
  if (i === error.length - 1) return { x: x[i], y: error[i] };
  const part = (error[i] - level) / (error[i] - error[i + 1]);
  return { x: x[i] + (x[i + 1] - x[i]) * Math.min(Math.max(part, 0), 1), y: level };
}
