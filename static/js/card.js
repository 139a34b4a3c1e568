/** A model card's charts: training, guidance and calibration, from the card's own data. */

import { Refused, card } from "./net.js";
import { react } from "./plotly.js";
import { t } from "./text.js";

const COLOURS = ["--picture", "--molecule", "--tokens", "--ink"];
const SHARE = /top\d|recall/;
const DASHES = ["solid", "dash", "dot", "dashdot"];

/** @param {HTMLElement} element */
function look(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { fixedrange: true, color: colour("--ink-2"), gridcolor: colour("--line"), zeroline: false };
  return {
    colour,
    axis,
    layout: {
      width: element.clientWidth,
      height: element.clientHeight,
      margin: { l: 56, r: 14, t: 10, b: 46 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: style.fontFamily, size: 13, color: colour("--ink-2") },
      hoverlabel: { bgcolor: colour("--ink"), font: { color: colour("--paper") } },
      dragmode: false,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    },
  };
}

/** Every network's loss from its highest (1) to its lowest (0); it need not begin at the highest. @param {HTMLElement} element @param {Record<string, any>} curves */
function drawTraining(element, curves) {
  const { colour, axis, layout } = look(element);
  const traces = Object.entries(curves).map(([name, log], i) => {
    const lowest = Math.min(...log.loss);
    const span = Math.max(...log.loss) - lowest || 1;
    const x = log.seconds ? log.seconds.map((value) => value / 60) : log.step;
    return {
      name,
      x,
      y: log.loss.map((value) => (value - lowest) / span),
      customdata: log.loss,
      hovertemplate: t("card.loss", { name, value: "%{customdata:.4g}" }) + "<extra></extra>",
      mode: "lines",
      line: { color: colour(COLOURS[i % COLOURS.length]), dash: DASHES[Math.floor(i / COLOURS.length) % 4], width: 2 },
    };
  });
  const minutes = Object.values(curves).every(({ seconds }) => seconds);
  return react(element, traces, {
    ...layout,
    xaxis: { ...axis, title: { text: t(minutes ? "card.minutes" : "card.steps") }, rangemode: "tozero" },
    yaxis: { ...axis, title: { text: t("card.share") }, range: [-0.03, 1.05] },
  });
}

/** What rises with guidance and what falls. @param {HTMLElement} element @param {Record<string, any>[]} points */
function drawGuidance(element, points) {
  const { colour, axis, layout } = look(element);
  const x = points.map(({ guidance_scale: scale }) => scale);
  const everywhere = [...new Set(points.flatMap(Object.keys))].filter(
    (name) => name !== "guidance_scale" && points.every((point) => typeof point[name] === "number"),
  );
  const shared = everywhere.filter((name) => SHARE.test(name));
  const names = [...shared, ...everywhere.filter((name) => /distance/.test(name)).slice(0, 1)];
  const traces = names.map((name, i) => {
    const share = SHARE.test(name);
    return {
      name: name.replaceAll("_", " "),
      x,
      y: points.map((point) => point[name]),
      yaxis: share ? "y" : "y2",
      mode: "lines+markers",
      line: { color: colour(COLOURS[i % COLOURS.length]), dash: share ? "solid" : "dash", width: 2 },
    };
  });
  const shares = traces.some(({ yaxis }) => yaxis === "y");
  return react(element, traces, {
    ...layout,
    margin: { ...layout.margin, r: 56 },
    xaxis: { ...axis, title: { text: t("card.guidance") } },
    yaxis: { ...axis, visible: shares, tickformat: ".0%", rangemode: "tozero" },
    yaxis2: { ...axis, overlaying: "y", side: "right", showgrid: false, rangemode: "tozero" },
  });
}

/** True against predicted confidence; on the dashed line the model knows exactly how right it is. @param {HTMLElement} element @param {Record<string, any[]>} classes */
function drawCalibration(element, classes) {
  const { colour, axis, layout } = look(element);
  const traces = Object.entries(classes).map(([name, bins], i) => ({
    name,
    x: bins.map(({ plddt }) => plddt),
    y: bins.map(({ lddt }) => lddt),
    customdata: bins.map(({ atoms }) => atoms),
    hovertemplate: t("card.bin", { name, true: "%{y:.0f}", predicted: "%{x:.0f}", atoms: "%{customdata:,}" }) + "<extra></extra>",
    mode: "lines+markers",
    line: { color: colour(COLOURS[i % COLOURS.length]), dash: DASHES[Math.floor(i / COLOURS.length) % 4], width: 2 },
  }));
  const exact = {
    x: [0, 100],
    y: [0, 100],
    mode: "lines",
    line: { color: colour("--ink-2"), dash: "dot", width: 1 },
    hoverinfo: "skip",
    showlegend: false,
  };
  return react(element, [exact, ...traces], {
    ...layout,
    xaxis: { ...axis, title: { text: t("card.predicted") }, range: [0, 100] },
    yaxis: { ...axis, title: { text: t("card.true") }, range: [0, 102] },
  });
}

const PLOTS = { training: "curves", guidance: "guidance", calibration: "calibration" };
const DRAW = { training: drawTraining, guidance: drawGuidance, calibration: drawCalibration };

async function start() {
  const places = Object.keys(PLOTS)
    .map((name) => [name, document.getElementById(`${name}-plot`)])
    .filter(([, element]) => element);
  let data;
  try {
    data = await card(document.querySelector("[data-card]").dataset.card);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    for (const [, element] of places) element.textContent = t("card.missing");
    return;
  }
  const draw = () => places.map(([name, element]) => DRAW[name](element, data[PLOTS[name]]));
  await Promise.all(draw());
  document.body.dataset.ready = "";
  addEventListener("resize", draw);
}

await start();
