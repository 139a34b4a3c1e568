/** The same comparison with several seeds, one after the other, without pictures. */

import { Runner } from "./runner.js";

export const SEEDS = 5;

/**
 * @typedef {{id: string, input: object, settings: (which: "a" | "b", seed: number) => object}} Task one per model
 */
export class Seeds {
  /** @param {(done: number, seed: number) => void} progress @param {(text: string) => void} trouble */
  constructor(progress, trouble) {
    this.progress = progress;
    this.trouble = trouble;
    /** @type {Runner[]} */
    this.runners = [];
    this.stopped = false;
  }

  /**
   * @param {Task[]} tasks @param {number} first seed
   * @returns {Promise<{id: string, pairs: {seed: number, a: import("./run.js").Run, b: import("./run.js").Run}[]}[]>} as
   *   far as it came before it was stopped or a run failed
   */
  async go(tasks, first) {
    const groups = tasks.map(({ id }) => ({ id, pairs: [] }));
    for (let k = 0; k < SEEDS && !this.stopped; k += 1) {
      const seed = first + k;
      this.progress(k, seed);
      const found = await Promise.all(
        tasks.map(({ id, input, settings }) =>
          Promise.all(["a", "b"].map((which) => this.#finished(id, input, settings(which, seed)))),
        ),
      );
      found.forEach(([a, b], i) => a && b && groups[i].pairs.push({ seed, a, b }));
      if (found.some((pair) => pair.includes(null))) break;
    }
    return groups.filter(({ pairs }) => pairs.length > 0);
  }

  /** @returns {Promise<import("./run.js").Run | null>} null: it failed or was stopped */
  #finished(id, input, settings) {
    return new Promise((settle) => {
      const runner = new Runner(id, {
        attach: () => this.stopped && runner.stop(),
        event: (name, run) => {
          if (name === "done") {
            for (const stage of run.stages) stage.frames = []; // only the end is compared
            settle(run);
          } else if (name === "error") settle(null);
        },
        complain: (text) => this.trouble(text),
        trouble: (text) => this.trouble(text),
      });
      this.runners.push(runner);
      if (this.stopped) settle(null);
      else runner.go(input, settings);
    });
  }

  stop() {
    this.stopped = true;
    for (const runner of this.runners) runner.stop();
  }
}
