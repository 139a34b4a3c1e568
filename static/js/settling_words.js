/** The chart for those who do not see it: a sentence per run and a table. */

import { HIGHEST, bandName } from "./chart.js";
import { number, t } from "./text.js";
import { ratioWords } from "./words.js";

/** @param {import("./chart.js").Row[]} rows @returns {string} */
export function summaryOf(rows) {
  return rows
    .map(({ name, settling }) => {
      const parts = settling.bands.map((band) =>
        band.settled_at === null
          ? t("chart.summary.never", { band: bandName(band) })
          : t("chart.summary.settled", { band: bandName(band), value: ratioWords(band.settled_at) }),
      );
      const highest = Math.max(...settling.bands.flatMap(({ error }) => error));
      const cut = highest > HIGHEST ? ` ${t("chart.summary.cut", { value: number(highest) })}` : "";
      return t("chart.summary", { name, parts: parts.join(", ") }) + cut;
    })
    .join(" ");
}

/** @param {import("./chart.js").Row[]} rows @returns {HTMLTableElement[]} */
export function tablesOf(rows) {
  return rows.map(({ name, settling }) => {
    const table = document.createElement("table");
    table.createCaption().textContent = t("chart.caption", { name });
    const head = table.createTHead().insertRow();
    for (const title of [t("chart.column"), ...settling.bands.map(bandName)]) {
      head.append(Object.assign(document.createElement("th"), { scope: "col", textContent: title }));
    }
    const body = table.createTBody();
    settling.sigma_over_data.forEach((ratio, i) => {
      const row = body.insertRow();
      row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: ratioWords(ratio) }));
      for (const { error } of settling.bands) row.insertCell().textContent = number(error[i]);
    });
    return table;
  });
}
