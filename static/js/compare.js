/** Two models beside each other: what each took and what became of it, as a table. */

import { Refused, card } from "./net.js";
import { t } from "./text.js";

/**
 * @typedef {{run: any, done: any, sample: number, card: any, panels: Record<string, import("./panel.js").Panel>}} Side
 * @typedef {{words: string, sides: string[], rows: [string, (side: Side) => string | null][],
 *   summary: (calls: (number | null)[], panels: Record<string, import("./panel.js").Panel>) => string}} Comparison
 *   words: how its sentences' keys begin; sides: ids of pipelines; calls: forwards that each side's run took, null
 *   until it is known
 */
export class Compare {
  /** @param {HTMLElement} root the tab's panel @param {Comparison} what */
  constructor(root, what) {
    this.what = what;
    this.table = root.querySelector("table");
    this.words = root.querySelector(".compare-summary");
    /** @type {Record<string, any>} */
    this.cards = {};
  }

  /** Parameters come from the cards. */
  async open() {
    for (const id of this.what.sides) {
      if (this.cards[id]) continue;
      try {
        this.cards[id] = await card(id);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
    if (this.last) this.show(...this.last);
  }

  /** @param {Record<string, import("./panel.js").Panel>} panels */
  show(panels) {
    this.last = [panels];
    const { words, sides, rows, summary } = this.what;
    const head = this.table.tHead?.rows[0] ?? this.table.createTHead().insertRow();
    head.replaceChildren(cell("td", ""), ...sides.map((id) => heading("col", t(`${words}.${id}`))));
    const body = this.table.tBodies[0] ?? this.table.createTBody();
    body.replaceChildren();
    for (const [key, value] of rows) {
      const row = body.insertRow();
      row.append(heading("row", t(`${words}.row.${key}`)));
      for (const id of sides) {
        const { run, sample } = panels[id];
        row.append(cell("td", value({ run, done: run?.done, sample, card: this.cards[id], panels }) ?? "–"));
      }
    }
    this.words.textContent = summary(
      sides.map((id) => (panels[id].run?.done ? callsOf(panels[id].run) : null)),
      panels,
    );
  }
}

/** Forward passes that a run took; null if it does not say. @param {import("./run.js").Run} run */
export function callsOf({ done }) {
  if (!done?.calls) return null;
  return Object.values(done.calls).reduce((sum, count) => sum + count, 0);
}

/** Rows that every comparison has. */
export const COMMON = {
  origin: ({ run }) => (run ? t(`origin.${run.source}`) : null),
  calls: ({ run }) => (run?.done ? whole(callsOf(run)) : null),
  ms: ({ done }) => (done?.timings?.total_s ? t("compare.ms", { value: whole(done.timings.total_s * 1000) }) : null),
  parameters: ({ card: data }) => (data?.parameters ? whole(data.parameters) : null),
};

export const whole = (value) => (value === null ? null : Math.round(value).toLocaleString(document.documentElement.lang || "en"));

function heading(scope, text) {
  return Object.assign(document.createElement("th"), { scope, textContent: text });
}

function cell(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
