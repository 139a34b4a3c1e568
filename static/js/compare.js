/** DALL·E 1 beside DALL·E 2: what each took and what became of it, as a table. */

import { Refused, card } from "./net.js";
import { number, t } from "./text.js";

const SIDES = ["dalle2", "dalle1"];

export class Compare {
  /** @param {HTMLElement} root the tab's panel */
  constructor(root) {
    this.table = root.querySelector("table");
    this.words = root.querySelector("#compare-summary");
    /** @type {Record<string, any>} */
    this.cards = {};
  }

  /** Parameters come from the cards. */
  async open() {
    for (const id of SIDES) {
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
    const head = this.table.tHead?.rows[0] ?? this.table.createTHead().insertRow();
    head.replaceChildren(cell("td", ""), ...SIDES.map((id) => heading("col", t(`compare.${id}`))));
    const body = this.table.tBodies[0] ?? this.table.createTBody();
    body.replaceChildren();
    for (const [key, value] of ROWS) {
      const row = body.insertRow();
      row.append(heading("row", t(`compare.row.${key}`)));
      for (const id of SIDES) {
        const { run, sample } = panels[id];
        row.append(cell("td", value({ run, done: run?.done, sample, card: this.cards[id] }) ?? "–"));
      }
    }
    const [two, one] = SIDES.map((id) => panels[id].run?.done && callsOf(panels[id].run));
    this.words.textContent = two && one ? t("compare.summary", { one, two }) : t("compare.waiting");
  }
}

/** Forward passes that a run took; null if it does not say. @param {import("./run.js").Run} run */
function callsOf({ done }) {
  if (!done?.calls) return null;
  return Object.values(done.calls).reduce((sum, count) => sum + count, 0);
}

/** @type {[string, (shown: {run: any, done: any, sample: number, card: any}) => string | null][]} */
const ROWS = [
  ["caption", ({ run }) => run?.input.prompt ?? null],
  ["origin", ({ run }) => (run ? t(`origin.${run.source}`) : null)],
  ["order", ({ run }) => (run?.start ? t(run.stepwise ? "compare.order.tokens" : "compare.order.noise") : null)],
  ["calls", ({ run }) => (run?.done ? whole(callsOf(run)) : null)],
  ["ms", ({ done }) => (done?.timings?.total_s ? t("compare.ms", { value: whole(done.timings.total_s * 1000) }) : null)],
  ["size", ({ done }) => (done ? sizeOf(done.sample) : null)],
  ["judged", ({ done, sample }) => judged(done?.judged?.[sample]?.[0])],
  ["clip", ({ done, sample }) => (typeof done?.clip_score?.[sample] === "number" ? number(done.clip_score[sample]) : null)],
  ["parameters", ({ card: data }) => (data?.parameters ? whole(data.parameters) : null)],
];

const whole = (value) => (value === null ? null : new Intl.NumberFormat("en").format(Math.round(value)));
const judged = (best) => (best ? `${best.label} (${Math.round(best.probability * 100)} %)` : null);
const sizeOf = ({ shape }) => t("compare.pixels", { side: shape.at(-2) });

function heading(scope, text) {
  return Object.assign(document.createElement("th"), { scope, textContent: text });
}

function cell(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
