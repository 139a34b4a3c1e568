/** The chart for those who do not see it: a sentence per run and a table. */

import { HIGHEST } from "./chart.js";
import { listed, number, paragraph, t } from "./text.js";
import { levelOf } from "./timeline.js";
import { bandName, ratioWords } from "./words.js";

/** A complete run's curves; a run that counts steps has none. @param {import("./run.js").Run | null} run */
export const curvesOf = (run) => (run?.done?.settling?.bands?.length && !run.stepwise ? run.done.settling : null);

/** The runs of panels that have curves, with the other track's. @param {import("./panel.js").Panel[]} panels @returns {import("./chart.js").Row[]} */
export const rowsOf = (panels) =>
  panels
    .filter(({ run, root, ghost }) => root.dataset.accent && (curvesOf(run) || ghost?.curves))
    .map(({ name, root, run, ghost }) => {
      return { name, accent: root.dataset.accent, settling: curvesOf(run), ghost: ghost?.curves ?? null };
    });

/** Every track that has curves. @param {import("./chart.js").Row[]} rows @returns {{name: string, settling: any}[]} */
const tracksOf = (rows) => rows.flatMap((row) => [row, row.ghost]).filter((track) => track?.settling);

/** @param {import("./chart.js").Row[]} rows @returns {string} */
export function summaryOf(rows) {
  const sentences = tracksOf(rows).flatMap(({ name, settling }) => {
    const parts = settling.bands.map((band) =>
      band.settled_at === null
        ? t("chart.summary.never", { band: bandName(band) })
        : t("chart.summary.settled", { band: bandName(band), value: ratioWords(band.settled_at) }),
    );
    const summary = t("chart.summary", { name, parts: listed(parts) });
    const highest = Math.max(...settling.bands.flatMap(({ error }) => error));
    return highest > HIGHEST ? [summary, t("chart.summary.cut", { value: number(highest) })] : [summary];
  });
  if (rows.some(({ ghost }) => ghost)) sentences.push(t("branch.chart.begins"));
  return paragraph(sentences);
}

/**
 * Every row leads to its place. @param {import("./chart.js").Row[]} rows @param {(level: number) => void} seek
 * @returns {HTMLTableElement[]}
 */
export function tablesOf(rows, seek) {
  return tracksOf(rows).map(({ name, settling }) => {
    const table = document.createElement("table");
    table.createCaption().textContent = t("chart.caption", { name });
    const head = table.createTHead().insertRow();
    for (const title of [t("chart.column"), ...settling.bands.map(bandName)]) {
      head.append(Object.assign(document.createElement("th"), { scope: "col", textContent: title }));
    }
    const body = table.createTBody();
    settling.sigma_over_data.forEach((ratio, i) => {
      const row = body.insertRow();
      const title = Object.assign(document.createElement("th"), { scope: "row" });
      const go = { type: "button", className: "in-table", textContent: ratioWords(ratio) };
      title.append(Object.assign(document.createElement("button"), go));
      title.firstChild.addEventListener("click", () => seek(levelOf(ratio)));
      row.append(title);
      for (const { error } of settling.bands) row.insertCell().textContent = number(error[i]);
    });
    return table;
  });
}
