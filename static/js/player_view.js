/** The player's elements: track, lanes, ticks, buttons. It draws a Player and tells it what was asked. */

import { axisOf, positionOf, settledAt, snap, ticksOf, visibleFrames, DATA_ZONE } from "./timeline.js";
import { SPEEDS } from "./player.js";
import { t } from "./text.js";
import { tickLabel } from "./words.js";

/** How strong a lane is filled: before anything has settled, between, when all has. */
const SHADES = [0.1, 0.26, 0.5];

export class PlayerView {
  /**
   * @param {import("./player.js").Player} player
   * @param {{changed: () => void, swap: () => void, sample: (direction: 1 | -1) => void, grid: () => void,
   *   branch?: () => void, idea?: () => void}} on idea: branches the prior
   */
  constructor(player, on) {
    this.player = player;
    this.on = on;
    this.root = document.getElementById("player");
    this.track = document.getElementById("track");
    this.ticks = document.getElementById("ticks");
    this.lanes = [...this.root.querySelectorAll(".lane")];
    const accents = this.lanes.map((lane) => lane.dataset.accent);
    this.setLanes(
      accents,
      accents.map((accent) => t(`lane.${accent}`)),
    );
    this.axis = axisOf([]);
    this.runs = [];
    /** @type {Record<"global" | "local", number | null>} where the scales have settled */
    this.marks = { global: null, local: null };
    /** Draws a lane whose run has two tracks. @type {(lane: number, ...where: any) => boolean} false if it has one */
    this.forked = () => false;
    for (const button of this.root.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => this.act(button.dataset.action));
    }
    this.track.addEventListener("pointerdown", (event) => {
      this.track.setPointerCapture(event.pointerId);
      this.seekTo(event.clientX);
    });
    this.track.addEventListener("pointermove", (event) => {
      if (this.track.hasPointerCapture(event.pointerId)) this.seekTo(event.clientX);
    });
    new ResizeObserver(() => this.redraw()).observe(this.track);
  }

  /** @param {(string | undefined)[]} accents one per lane @param {string[]} names what each lane is called */
  setLanes(accents, names) {
    this.lanes.forEach((lane, i) => {
      lane.hidden = i >= accents.length;
      lane.dataset.accent = accents[i] ?? "";
      lane.dataset.label = names[i] ?? "";
    });
  }

  /** @param {number} clientX */
  seekTo(clientX) {
    const { left, width } = this.track.getBoundingClientRect();
    this.player.seek(snap((clientX - left) / width), false);
    this.on.changed();
  }

  /** @param {string} action a button's or a key's */
  act(action) {
    const { player } = this;
    const acts = {
      first: () => player.seek(0, false),
      back: () => player.step(-1),
      toggle: () => player.toggle(),
      forward: () => player.step(1),
      last: () => player.seek(1, false),
      follow: () => player.follow(),
      speed: () => (player.speed = SPEEDS[(SPEEDS.indexOf(player.speed) + 1) % SPEEDS.length]),
      loop: () => (player.loop = !player.loop),
      swap: () => this.on.swap(),
      sample_back: () => this.on.sample(-1),
      sample_on: () => this.on.sample(1),
      grid: () => this.on.grid(),
      branch: () => this.on.branch?.(),
      idea: () => this.on.idea?.(),
      global: () => this.marks.global !== null && player.seek(this.marks.global, false),
      local: () => this.marks.local !== null && player.seek(this.marks.local, false),
      slower: () => player.changeSpeed(-1),
      faster: () => player.changeSpeed(1),
      jump_back: () => player.jump(-5),
      jump_on: () => player.jump(5),
    };
    acts[action]?.();
    this.on.changed();
  }

  /** @param {(import("./run.js").Run | null)[]} runs one per lane @param {import("./timeline.js").Axis} axis */
  setRuns(runs, axis) {
    this.runs = runs;
    this.axis = axis;
    this.redraw();
  }

  redraw() {
    this.#drawGrain();
    this.#drawTicks();
    this.drawLanes();
    this.draw();
  }

  /** Buffered part and one stroke per frame. */
  drawLanes() {
    this.lanes.forEach((lane, i) => {
      const canvas = lane.firstElementChild;
      const context = sized(canvas, lane);
      const run = this.runs[i];
      if (!run) return;
      const { width, height } = canvas;
      const style = getComputedStyle(lane);
      const colours = { accent: style.getPropertyValue("--accent"), grey: style.getPropertyValue("--ink-2") };
      if (this.forked(i, context, this.axis, colours)) return;
      const frames = visibleFrames(run.pictureStages);
      if (frames.length === 0) return;
      const end = run.streaming ? positionOf(this.axis, frames.at(-1).level) : 1;
      const start = positionOf(this.axis, frames[0].level);
      context.fillStyle = colours.accent;
      this.#turns(run, start, end).forEach(([from, to], k) => {
        context.globalAlpha = SHADES[k];
        context.fillRect(from * width, height * 0.2, Math.max(0, to - from) * width, height * 0.6);
      });
      context.globalAlpha = 1;
      const stroke = Math.max(1.5, 2 * devicePixelRatio);
      for (const { level } of frames)
        context.fillRect(positionOf(this.axis, level) * width - stroke / 2, height * 0.2, stroke, height * 0.6);
      if (run.done) context.fillRect(width - 2 * stroke, height * 0.2, 2 * stroke, height * 0.6);
    });
  }

  /**
   * A lane is pale until the overall picture has settled and strong once the detail has; in between, and
   * where that is not known, it is neither. @returns {[number, number][]} from, to for each shade
   */
  #turns({ done, stepwise }, start, end) {
    const { settling } = done ?? {};
    const known = !stepwise && settling?.bands?.length > 0;
    const at = (scale) => Math.max(start, settledAt(this.axis, [settling], scale) ?? end);
    const [overall, detail] = known ? [at(0), at(2)] : [start, end];
    return [
      [start, overall],
      [overall, detail],
      [detail, end],
    ];
  }

  /** The track itself goes from noise to none: grain that fades to the right, the same at every visit. */
  #drawGrain() {
    const canvas = document.getElementById("grain");
    const context = sized(canvas, this.track);
    const { width, height } = canvas;
    if (!width) return;
    const style = getComputedStyle(this.track);
    const [ink, well] = ["--ink", "--well"].map((name) => style.getPropertyValue(name));
    context.fillStyle = well;
    context.fillRect(0, 0, width, height);
    context.fillStyle = ink;
    const grain = Math.max(2, Math.round(2 * devicePixelRatio));
    let state = 7;
    for (let x = 0; x < width; x += grain) {
      const share = Math.max(0, 1 - x / width / (1 - DATA_ZONE)) ** 1.6;
      for (let y = 0; y < height; y += grain) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        context.globalAlpha = (state / 2 ** 32) * 0.34 * share;
        context.fillRect(x, y, grain, grain);
      }
    }
    context.globalAlpha = 1;
  }

  #drawTicks() {
    const tick = (u, text, kind) => {
      const span = document.createElement("span");
      span.textContent = text;
      span.className = kind;
      span.style.left = `${u * 100}%`;
      return span;
    };
    const inner = ticksOf(this.axis)
      .map((level) => [positionOf(this.axis, level), level])
      .filter(([u]) => u > 0.07 && u < 0.91);
    this.ticks.replaceChildren(
      tick(0, t("axis.noise"), "end"),
      ...inner.map(([u, level]) => tick(u, tickLabel(level), level === 0 ? "equal" : "minor")),
      tick(1, t("axis.data"), "end"),
    );
  }

  /** Playhead and buttons. */
  draw() {
    const { player, root } = this;
    const width = this.track.clientWidth;
    this.track.setAttribute("aria-valuenow", String(Math.round(player.u * 100)));
    for (const head of document.querySelectorAll(".axis-frame .playhead"))
      head.style.transform = `translateX(${player.u * width}px)`;
    const moving = player.playing || player.following;
    const play = root.querySelector(".play");
    if ((play.dataset.state === "playing") !== moving) {
      play.dataset.state = moving ? "playing" : "paused";
      play.setAttribute("aria-label", t(moving ? "player.pause" : "player.play"));
    }
    root.querySelector(".follow").hidden = player.following || !this.runs.some((run) => run?.streaming);
    for (const name of ["global", "local"])
      root.querySelector(`[data-action="${name}"]`).hidden = this.marks[name] === null;
    root.querySelector('[data-action="loop"]').setAttribute("aria-pressed", String(player.loop));
    const speed = root.querySelector('[data-action="speed"]');
    if (speed.dataset.value !== String(player.speed)) {
      speed.dataset.value = String(player.speed);
      speed.textContent = `${player.speed}×`;
      speed.setAttribute("aria-label", t("player.speed_value", { value: player.speed }));
    }
  }

  /** @param {string} words of the position @param {{accent: string, text: string}[]} readings */
  say(words, readings) {
    this.track.setAttribute("aria-valuetext", words);
    document.getElementById("reading").replaceChildren(
      ...readings.map(({ accent, text }) => {
        const span = document.createElement("span");
        span.dataset.accent = accent ?? "";
        span.textContent = text;
        return span;
      }),
    );
  }
}

/** A canvas that has its box's size in device pixels, cleared. */
function sized(canvas, box) {
  canvas.width = Math.round(box.clientWidth * devicePixelRatio);
  canvas.height = Math.round(box.clientHeight * devicePixelRatio);
  return canvas.getContext("2d");
}
