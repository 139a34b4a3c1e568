/** How many steps fall into each decade of noise, A beside B: bars that lead to their place, and a table. */

import { decadeOf, levelsOf } from "./lab_schedules.js";
import { densities, decadeWords, densityWords } from "./lab_words.js";
import { t } from "./text.js";

export class DensityChart {
  /** @param {HTMLElement} root @param {(level: number) => void} seek to a place on the axis */
  constructor(root, seek) {
    this.bars = root.querySelector(".lab-bars");
    this.summary = root.querySelector(".lab-density-summary");
    this.body = root.querySelector("tbody");
    this.seek = seek;
    this.bins = [];
  }

  /** @param {Record<"a" | "b", import("./lab_schedules.js").Side>} sides */
  draw(sides) {
    this.bins = densities(sides);
    this.levels = ["a", "b"].flatMap((which) => levelsOf(sides[which]));
    const most = Math.max(...this.bins.flatMap(({ a, b }) => [a, b]));
    while (this.bars.children.length > this.bins.length) this.bars.lastElementChild.remove();
    while (this.bars.children.length < this.bins.length) this.bars.append(this.#decade());
    this.bins.forEach(({ decade, a, b }, i) => {
      const button = this.bars.children[i];
      button.setAttribute("aria-label", t("lab.density.bar", { decade: decadeWords(decade), a, b }));
      for (const [which, steps] of Object.entries({ a, b })) {
        const bar = button.querySelector(`[data-side="${which}"]`);
        bar.style.setProperty("--share", String(steps / most));
        bar.firstElementChild.textContent = String(steps);
      }
      button.lastElementChild.textContent = decadeWords(decade);
    });
    this.summary.textContent = densityWords(sides);
    this.body.replaceChildren(
      ...this.bins.map(({ decade, a, b }) => {
        const row = document.createElement("tr");
        row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: decadeWords(decade) }));
        for (const steps of [a, b]) row.insertCell().textContent = String(steps);
        return row;
      }),
    );
  }

  #decade() {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "lab-decade" });
    const pair = Object.assign(document.createElement("span"), { className: "lab-pair" });
    for (const which of ["a", "b"]) {
      const bar = Object.assign(document.createElement("span"), { className: "lab-bar" });
      bar.dataset.side = which;
      bar.append(document.createElement("span"));
      pair.append(bar);
    }
    button.append(pair, document.createElement("span"));
    button.addEventListener("click", () => this.#go(this.bins[[...this.bars.children].indexOf(button)].decade));
    return button;
  }

  /** To the first step in a decade. */
  #go(decade) {
    const inside = this.levels.filter((level) => decadeOf(level) === decade);
    this.seek(inside.length > 0 ? Math.log10(Math.max(...inside)) : decade + 0.5);
  }

  /** Where the playhead is. @param {number | null} level */
  head(level) {
    this.bins.forEach(({ decade }, i) => {
      const here = level !== null && level >= decade && level < decade + 1;
      this.bars.children[i]?.toggleAttribute("data-here", here);
    });
  }
}
