/** Below the runs: the differences in numbers, of one seed and of several, and both as files. */

import { csvOf, documentOf, save } from "./lab_files.js";
import { SEEDS, Seeds } from "./lab_seeds.js";
import { fillPairs, fillSeeds } from "./lab_table.js";
import { t } from "./text.js";

const byId = (id) => document.getElementById(id);

export class Result {
  /**
   * @param {{tasks: () => Promise<{seed: number, tasks: import("./lab_seeds.js").Task[]} | null>,
   *   about: () => object, name: (id: string) => string}} on tasks: what to repeat, null after a complaint; about: what a
   *   file holds beside the numbers; name: of a model
   */
  constructor(on) {
    this.on = on;
    /** @type {{id: string, a: import("./run.js").Run, b: import("./run.js").Run}[]} */
    this.pairs = [];
    this.groups = [];
    /** @type {Seeds | null} */
    this.seeds = null;
    byId("repeat").addEventListener("click", () => this.#repeat());
    const file = () => documentOf({ ...on.about(), pairs: this.pairs, seeds: this.groups });
    byId("save-json").addEventListener("click", () => save("schedules.json", JSON.stringify(file(), null, 1), "application/json"));
    byId("save-csv").addEventListener("click", () => save("schedules.csv", csvOf(file()), "text/csv"));
  }

  /** Other runs begin. */
  clear() {
    this.pairs = [];
    this.groups = [];
    byId("lab-seeds").hidden = true;
    if (!this.seeds) byId("lab-progress").textContent = "";
  }

  /** @param {{id: string, a: import("./run.js").Run, b: import("./run.js").Run}[]} pairs finished ones, one per model */
  show(pairs) {
    this.pairs = pairs;
    if (pairs.length === 0) return;
    byId("lab-waiting").hidden = true;
    byId("lab-numbers").hidden = false;
    fillPairs(byId("lab-pairs"), pairs.map((pair) => ({ ...pair, name: this.on.name(pair.id) })));
    for (const name of ["csv", "json"]) byId(`save-${name}`).disabled = false;
  }

  /** Several seeds, so that nobody reads too much into one. */
  async #repeat() {
    if (this.seeds) {
      this.seeds.stop();
      return;
    }
    const asked = await this.on.tasks();
    if (!asked || asked.tasks.length === 0) return;
    const button = byId("repeat");
    const say = byId("lab-progress");
    this.seeds = new Seeds(
      (done, seed) => (say.textContent = t("lab.repeating", { n: done + 1, count: SEEDS, seed })),
      (text) => text && (say.textContent = text),
    );
    button.textContent = t("lab.repeat.stop");
    try {
      this.groups = await this.seeds.go(asked.tasks, asked.seed);
    } finally {
      this.seeds = null;
      button.textContent = t("lab.repeat", { count: SEEDS });
    }
    say.textContent = t("lab.repeated", { count: this.groups[0]?.pairs.length ?? 0 });
    byId("lab-seeds").hidden = this.groups.length === 0;
    fillSeeds(byId("lab-means"), this.groups.map((group) => ({ ...group, name: this.on.name(group.id) })));
  }
}
