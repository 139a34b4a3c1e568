/**
 * At the head of a panel: which of its scales have settled where the playhead is, as the finished run measured it.
 * The signs are the chart's; for those who do not see them the slider says the same in words.
 */

import { bandName } from "./words.js";

const NONE = [];
/** Open and filled, from the overall picture to the detail. */
const SIGNS = ["○●", "◇◆", "△▲"];

export class SettledMarks {
  /** @param {HTMLElement} head */
  constructor(head) {
    this.list = document.createElement("ul");
    this.list.className = "settled";
    this.list.setAttribute("aria-hidden", "true");
    head.append(this.list);
    this.bands = NONE;
  }

  /** @param {import("./run.js").Run} run @param {{frame: any, final: any}} shown */
  show({ done, stepwise }, { frame, final }) {
    const bands = (!stepwise && done?.settling?.bands) || NONE;
    if (bands !== this.bands) this.#build(bands);
    const ratio = final ? 0 : (frame?.sigma_over_data ?? Infinity);
    this.bands.slice(0, SIGNS.length).forEach(({ settled_at: at }, k) => {
      const settled = at !== null && ratio <= at;
      const item = this.list.children[k];
      if (item.dataset.settled === String(settled)) return;
      item.dataset.settled = String(settled);
      item.firstChild.textContent = SIGNS[k][Number(settled)];
    });
  }

  #build(bands) {
    this.bands = bands;
    this.list.replaceChildren(
      ...bands.slice(0, SIGNS.length).map((band) => {
        const item = document.createElement("li");
        const name = Object.assign(document.createElement("span"), { textContent: bandName(band) });
        item.append(document.createElement("i"), name);
        return item;
      }),
    );
  }

  clear() {
    this.#build(NONE);
  }
}
