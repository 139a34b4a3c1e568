/** The stage: panels, one player, one axis. Everything that moves goes through `changed` or `loop`. */

import { Player } from "./player.js";
import { PlayerView } from "./player_view.js";
import { axisOf, levelAt, positionOf, settledAt, stopsOf, ticksOf, visibleFrames } from "./timeline.js";
import { listen } from "./keys.js";
import { listed, t } from "./text.js";
import { atomNoise, particleNoise, pictureNoise, settledWords, tokenWords } from "./words.js";

const FOCUS = ["both", "estimate", "noisy"];

export class Stage {
  /**
   * @param {{panels: import("./panel.js").Panel[], extra: import("./panel.js").Panel[]}} parts
   *   panels: one per lane of the player; extra: moved by it as well
   * @param {() => void} settled called when the runs or the axis have changed for the chart
   */
  constructor({ panels, extra }, settled) {
    this.panels = panels;
    this.extra = extra;
    this.settled = settled;
    this.axis = axisOf([]);
    this.player = new Player();
    this.view = new PlayerView(this.player, {
      changed: () => this.changed(),
      swap: () => this.swap(),
      sample: (direction) => this.#several().move(direction),
      // With two tracks of a run on the stage the key changes between them.
      grid: () => this.branching?.swap() || this.#several().toggleGrid(),
      branch: () => this.branching?.press(),
      idea: () => this.branching?.pressIdea(this.panels[0]),
    });
    this.frame = 0;
    /** called whenever the playhead may have moved */
    this.moved = () => {};
    /** called when the playhead, on its way, comes to where all runs have settled: "global", then "local" */
    this.reached = (_mark) => {};
    this.told = new Set();
    /** @type {import("./branch_door.js").BranchDoor | null} */
    this.branching = null;
    listen(
      (action) => this.view.act(action),
      (u) => this.seek(u),
    );
  }

  /** The first panel whose run has samples to choose from. */
  #several() {
    return this.panels.find(({ run }) => run?.samples > 1) ?? this.panels[0];
  }

  get all() {
    return [...this.panels, ...this.extra];
  }

  /**
   * Other panels take the lanes, one each. @param {import("./panel.js").Panel[]} panels
   * @param {string[]} names of the lanes
   */
  setPanels(panels, names) {
    this.panels = panels;
    this.view.setLanes(
      panels.map(({ root }) => root.dataset.accent),
      names,
    );
    this.spoken = false;
    this.refresh();
  }

  /** @param {number} u position on the axis */
  seek(u) {
    this.player.seek(u, false);
    this.changed();
  }

  /** The runs have changed: new axis, new stops. */
  refresh() {
    this.told.clear();
    const runs = this.panels.map(({ run }) => run);
    const ghosts = this.panels.map(({ ghost }) => ghost?.run);
    const levels = [...runs, ...ghosts].flatMap((run) => run?.levels ?? []);
    if (levels.length > 0) this.axis = axisOf(levels);
    for (const run of runs) run?.pace(this.axis);
    this.view.setRuns(runs, this.axis);
    this.arrived();
  }

  /** Frames have arrived. */
  arrived() {
    const runs = this.panels.map(({ run }) => run).filter(Boolean);
    this.player.limit = Math.min(1, ...runs.map((run) => this.#reach(run)));
    const positions = runs.flatMap((run) =>
      visibleFrames(run.pictureStages).map(({ level }) => positionOf(this.axis, level)),
    );
    this.player.stops = stopsOf([0, ...positions, 1]);
    const settlings = runs
      .filter(({ done, stepwise }) => done?.settling?.bands?.length && !stepwise)
      .map(({ done }) => done.settling);
    this.view.marks = { global: settledAt(this.axis, settlings, 0), local: settledAt(this.axis, settlings, 2) };
    this.view.drawLanes();
    this.changed();
  }

  #reach(run) {
    const level = run.frontier;
    if (level === Infinity) return 0;
    return level === -Infinity ? 1 : positionOf(this.axis, level);
  }

  /** Shows what belongs to the playhead and keeps the clock going if it has to. */
  changed() {
    const level = levelAt(this.axis, this.player.u);
    let moved = false;
    for (const panel of this.all) moved = panel.update(level) || moved;
    this.view.draw();
    this.moved();
    this.branching?.look();
    if (moved || !this.spoken) this.#say();
    if ((this.player.playing || this.player.following) && this.frame === 0) {
      this.then = performance.now();
      this.frame = requestAnimationFrame((now) => this.#tick(now));
    }
  }

  #tick(now) {
    this.frame = 0;
    // After a pause of the browser (another tab) the playhead goes on, it does not leap.
    // And a frame's time may lie before the moment that asked for it.
    const seconds = Math.max(0, (now - this.then) / 1000);
    const before = this.player.u;
    this.player.tick(Math.min(seconds, this.player.following ? 0.4 : 0.1));
    this.then = now;
    this.#pass(before, this.player.u);
    this.changed();
  }

  /** Each mark is told once: a loop would say it again and again. */
  #pass(before, after) {
    for (const mark of ["global", "local"]) {
      const u = this.view.marks[mark];
      if (typeof u !== "number" || !(before < u && u <= after) || this.told.has(mark)) continue;
      this.told.add(mark);
      this.reached(mark);
    }
  }

  #say() {
    this.spoken = true;
    const readings = [];
    const words = this.panels.map(({ run, shown, name, root, view }) => {
      const { frame, final } = shown;
      if (!run || (!frame && !final)) return t("value.panel_none", { name });
      const { accent } = root.dataset;
      const sigma = final ? 0 : frame.sigma;
      let noise = "";
      if (run.stepwise) noise = tokenWords(final ? null : frame, run.stages[0]?.unit);
      else if (accent === "picture") noise = pictureNoise(final ? 0 : frame.sigma_over_data);
      else if (accent === undefined) noise = particleNoise(final ? 0 : frame.sigma_over_data);
      else noise = atomNoise(sigma, view.diameter);
      readings.push({ accent, text: noise });
      if (final) return t("value.panel_done", { name });
      const settled = run.stepwise ? "" : settledWords(run.done?.settling, frame.sigma_over_data);
      const where = settled ? listed([noise, settled]) : noise;
      return t("value.panel", { name, step: frame.step + 1, steps: frame.steps, noise: where });
    });
    this.view.say(words.join(t("mark.semicolon")), readings);
  }

  /** Next layout of the views: side by side, the guess large, the noisy state large. */
  swap() {
    for (const { root } of this.panels) {
      const next = FOCUS[(FOCUS.indexOf(root.dataset.focus) + 1) % FOCUS.length];
      root.dataset.focus = next;
    }
  }

  get ticks() {
    return ticksOf(this.axis);
  }

  restyle() {
    for (const panel of this.all) panel.restyle();
    this.view.redraw();
    this.spoken = false;
    this.changed();
  }
}
