/**
 * What has happened on the stage since a step of a lesson began: the playhead's moves as they happen, all
 * else as it is found. No part of the stage knows of lessons.
 *
 * @typedef {{u: number, level: number, moving: boolean, min: number, max: number, mode: string,
 *   focus: string, focusBefore: string, sample: number, sampleBefore: number, tab: string,
 *   marks: {global: number | null, local: number | null},
 *   refused: Record<string, string>,
 *   shown: (id: string) => import("./run.js").Run | null,
 *   fresh: (id: string) => import("./run.js").Run | null,
 *   all: (id: string) => import("./run.js").Run[], frame: (id: string) => any, structures: boolean}} Facts
 *   u, level: the playhead's; min, max: how far it has been since the step began; shown: what a panel shows;
 *   fresh: the newest live run that was completed in this step; all: every complete run, newest last;
 *   refused: what a panel says that it will not do, "" if nothing; structures: AlphaFold 2 stands beside 3
 */

import { levelAt } from "./timeline.js";

const KEPT = 8; // runs per panel: pictures are large

export class Watch {
  /** @param {import("./lesson.js").Page} page */
  constructor(page) {
    this.page = page;
    /** @type {Record<string, import("./run.js").Run[]>} */
    this.history = {};
    page.stage.moved = () => this.#reach();
    this.begin();
  }

  /** A step begins. */
  begin() {
    const { stage, panels } = this.page;
    this.look();
    this.before = new Set(Object.values(this.history).flat());
    this.min = this.max = stage.player.u;
    this.focusBefore = stage.panels[0].root.dataset.focus;
    this.sampleBefore = panels.dalle2.sample;
  }

  #reach() {
    const { u } = this.page.stage.player;
    this.min = Math.min(this.min ?? u, u);
    this.max = Math.max(this.max ?? u, u);
  }

  /** @returns {Facts} */
  look() {
    const { stage, panels, side } = this.page;
    const { u, playing, following } = stage.player;
    this.#reach();
    for (const [id, { run }] of Object.entries(panels)) {
      const kept = (this.history[id] ??= []);
      if (run?.done && run.source !== "computed" && !kept.includes(run)) kept.push(run);
      if (kept.length > KEPT) kept.shift();
    }
    const all = (id) => this.history[id] ?? [];
    return {
      u,
      level: levelAt(stage.axis, u),
      moving: playing || following,
      min: this.min,
      max: this.max,
      mode: document.body.dataset.mode ?? "caption",
      focus: stage.panels[0].root.dataset.focus,
      focusBefore: this.focusBefore,
      sample: panels.dalle2.sample,
      sampleBefore: this.sampleBefore,
      tab: side.tabs.current,
      marks: stage.view.marks,
      shown: (id) => panels[id]?.run ?? null,
      fresh: (id) => all(id).findLast((run) => run.source === "live" && !this.before.has(run)) ?? null,
      all,
      frame: (id) => panels[id]?.shown.frame ?? null,
      structures: panels.alphafold2 !== undefined && !panels.alphafold2.root.hidden,
      refused: Object.fromEntries(Object.values(panels).map(({ id, refusal }) => [id, refusal ?? ""])),
    };
  }
}
