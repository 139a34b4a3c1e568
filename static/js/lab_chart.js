/** Both schedules in one chart, sigma / sigma_data against step; its points can be dragged, by hand or by key. */

import { moved, pointsOf } from "./lab_curve.js";
import { levelsOf } from "./lab_schedules.js";
import { ROOM } from "./lab_state.js";
import { nativeWords } from "./lab_words.js";
import { listed, number, percent, t } from "./text.js";
import { ratioWords, tickLabel } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const PAD = { left: 4.2, right: 11.4, top: 2.2, bottom: 2.4 }; // rem
const NARROW = { below: 560, right: 4.8 }; // one column of units
const COLUMN = [1.5, 7.9]; // where each model's units stand, rem right of the box
const DOTS = 64; // more steps than this are a line without dots
const KEYS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const STEP = { x: 0.02, y: 0.05 };

/**
 * @typedef {{id: string, accent: string, name: string, unit: string, sigmaData: number | null,
 *   trained?: {low: number, high: number}}} Model
 */
export class ScheduleChart {
  /**
   * @param {HTMLElement} root
   * @param {{drawn: (which: "a" | "b", points: import("./lab_curve.js").Point[], last: boolean) => void,
   *   seek: (level: number) => void}} on drawn: a point has moved; seek: a place was clicked
   */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.svg = root.querySelector("svg");
    this.tip = root.querySelector(".lab-tip");
    this.layers = Object.fromEntries(
      ["ground", "curves", "head", "handles"].map((name) => [name, this.svg.appendChild(shape("g", { class: name }))]),
    );
    /** @type {Record<string, SVGElement[]>} */
    this.handles = { a: [], b: [] };
    this.level = null;
    this.svg.addEventListener("pointermove", (event) => this.#hover(event));
    this.svg.addEventListener("pointerleave", () => this.#tell(null));
    this.svg.addEventListener("click", (event) => {
      const near = this.#nearest(event);
      if (near && !event.target.closest("[role=slider]")) this.on.seek(Math.log10(near.level));
    });
    new ResizeObserver(() => this.last && this.draw(...this.last)).observe(root);
  }

  /** @param {Record<"a" | "b", import("./lab_schedules.js").Side>} sides @param {Model[]} models */
  draw(sides, models) {
    this.last = [sides, models];
    const rem = Number.parseFloat(getComputedStyle(this.root).fontSize);
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (width < 200) return; // not laid out yet
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const narrow = width < NARROW.below;
    const right = narrow ? NARROW.right : PAD.right;
    this.box = { left: PAD.left * rem, right: width - right * rem, top: PAD.top * rem, bottom: height - PAD.bottom * rem };
    this.levels = { a: levelsOf(sides.a), b: levelsOf(sides.b) };
    this.points = Object.fromEntries(
      ["a", "b"].map((which) => [
        which,
        sides[which].kind === "drawn" ? sides[which].points : pointsOf(this.levels[which], ROOM),
      ]),
    );
    this.#ground(models, rem, narrow);
    this.#curves();
    this.#handles(sides);
    this.head(this.level);
  }

  #x(part) {
    return this.box.left + part * (this.box.right - this.box.left);
  }

  #y(level) {
    const { top, bottom } = this.box;
    return top + ((ROOM.high - level) / (ROOM.high - ROOM.low)) * (bottom - top);
  }

  #levelAt(y) {
    const { top, bottom } = this.box;
    return ROOM.high - ((y - top) / (bottom - top)) * (ROOM.high - ROOM.low);
  }

  /** Grid, units of every model, and what lies beyond what it was trained at. */
  #ground(models, rem, narrow) {
    const { left, right, top, bottom } = this.box;
    const shows = (k) => !narrow || k === models.length - 1;
    const column = (k) => right + (narrow ? COLUMN[0] : COLUMN[k]) * rem;
    const parts = [shape("rect", { class: "paper", x: left, y: top, width: right - left, height: bottom - top })];
    models.forEach((model, k) => {
      if (!model.trained || !model.sigmaData) return;
      const [low, high] = ["low", "high"].map((end) => Math.log10(model.trained[end] / model.sigmaData));
      const hatch = (from, to) => {
        const [y1, y2] = [from, to].map((level) => Math.min(Math.max(this.#y(level), top), bottom));
        if (y2 - y1 > 0.5)
          parts.push(shape("rect", { class: `hatch ${model.accent}`, x: left, y: y1, width: right - left, height: y2 - y1 }));
      };
      hatch(ROOM.high, high);
      hatch(low, ROOM.low);
      const x = right + 5 + 7 * k;
      const [y1, y2] = [high, low].map((level) => Math.min(Math.max(this.#y(level), top), bottom));
      parts.push(shape("line", { class: `range ${model.accent}`, x1: x, x2: x, y1, y2 }));
    });
    for (let level = Math.floor(ROOM.high); level >= ROOM.low; level -= 1) {
      const y = this.#y(level);
      parts.push(shape("line", { class: level === 0 ? "rule zero" : "rule", x1: left, x2: right, y1: y, y2: y }));
      parts.push(text(left - 0.4 * rem, y, level === 0 ? t("axis.times", { value: 1 }) : tickLabel(level), "end", level === 0 ? "tick zero" : "tick"));
      models.forEach(({ sigmaData, accent }, k) => {
        if (sigmaData && shows(k)) parts.push(text(column(k), y, number(10 ** level * sigmaData), "start", `tick ${accent}`));
      });
    }
    models.forEach(({ unit, accent }, k) => {
      if (shows(k)) parts.push(text(column(k), top - 1.1 * rem, unit, "start", `tick unit ${accent}`));
    });
    parts.push(text(left, top - 1.1 * rem, t("lab.chart.y"), "start", "tick unit"));
    const roomy = right - left > 34 * rem;
    for (const part of roomy ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1]) {
      parts.push(shape("line", { class: "rule", x1: this.#x(part), x2: this.#x(part), y1: top, y2: bottom }));
      const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
      const words = part === 0 ? t("lab.chart.first") : part === 1 ? t("lab.chart.last") : percent(part);
      parts.push(text(this.#x(part), bottom + 1.1 * rem, words, anchor, "tick"));
    }
    this.layers.ground.replaceChildren(...parts);
  }

  #curves() {
    const parts = ["b", "a"].flatMap((which) => {
      const levels = this.levels[which];
      const places = levels.map((level, i) => [this.#x(i / Math.max(1, levels.length - 1)), this.#y(Math.log10(level))]);
      const path = places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
      const dots = levels.length > DOTS ? [] : places.map(([cx, cy]) => shape("circle", { class: `dot ${which}`, cx, cy, r: 2.6 }));
      return [shape("path", { class: `curve ${which}`, d: path }), ...dots];
    });
    this.layers.curves.replaceChildren(...parts);
  }

  /** Handles stay in place so that one that is held or has the focus is not lost. @param {any} sides */
  #handles(sides) {
    for (const which of ["b", "a"]) {
      const points = this.points[which];
      while (this.handles[which].length > points.length) this.handles[which].pop().remove();
      while (this.handles[which].length < points.length) this.handles[which].push(this.#handle(which));
      points.forEach(({ x, y }, i) => {
        const handle = this.handles[which][i];
        handle.setAttribute("transform", `translate(${this.#x(x)} ${this.#y(y)})`);
        handle.classList.toggle("free", sides[which].kind !== "drawn");
        handle.setAttribute("aria-label", t("lab.point", { side: which.toUpperCase(), n: i + 1, count: points.length }));
        const words = t("lab.point.value", { noise: ratioWords(10 ** y), percent: percent(x) });
        const values = { valuemin: ROOM.low, valuemax: ROOM.high, valuenow: y.toFixed(2), valuetext: words };
        for (const [name, value] of Object.entries(values)) handle.setAttribute(`aria-${name}`, value);
      });
    }
  }

  #handle(which) {
    const handle = shape("g", { class: `handle ${which}`, role: "slider", tabindex: 0, "aria-orientation": "vertical" });
    const mark = which === "a" ? shape("circle", { r: 7 }) : shape("rect", { x: -6.5, y: -6.5, width: 13, height: 13 });
    handle.append(shape("circle", { class: "reach", r: 17 }), mark);
    const i = () => this.handles[which].indexOf(handle);
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const { left, top } = this.svg.getBoundingClientRect();
      const x = (event.clientX - left - this.box.left) / (this.box.right - this.box.left);
      this.#move(which, i(), { x, y: this.#levelAt(event.clientY - top) }, false);
    });
    const end = (event) => {
      if (handle.hasPointerCapture(event.pointerId)) handle.releasePointerCapture(event.pointerId);
      this.on.drawn(which, this.points[which], true);
    };
    handle.addEventListener("pointerup", end);
    handle.addEventListener("pointercancel", end);
    handle.addEventListener("keydown", (event) => {
      const [dx, dy] = KEYS[event.key] ?? [];
      if (dx === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const far = event.shiftKey ? 5 : 1;
      const { x, y } = this.points[which][i()];
      this.#move(which, i(), { x: x + dx * far * STEP.x, y: y + dy * far * STEP.y }, true);
    });
    this.layers.handles.append(handle);
    return handle;
  }

  #move(which, i, to, last) {
    this.on.drawn(which, moved(this.points[which], i, to, ROOM), last);
  }

  /** Where the playhead is. @param {number | null} level null: at the data */
  head(level) {
    this.level = level;
    const y = level === null || !this.box ? null : this.#y(Math.min(Math.max(level, ROOM.low), ROOM.high));
    const line = y === null ? [] : [shape("line", { class: "now", x1: this.box.left, x2: this.box.right, y1: y, y2: y })];
    this.layers.head.replaceChildren(...line);
  }

  /** The step nearest to the pointer. */
  #nearest(event) {
    if (!this.box) return null;
    const { left, top } = this.svg.getBoundingClientRect();
    const [px, py] = [event.clientX - left, event.clientY - top];
    let best = null;
    for (const which of ["a", "b"])
      this.levels[which].forEach((level, i) => {
        const [x, y] = [this.#x(i / Math.max(1, this.levels[which].length - 1)), this.#y(Math.log10(level))];
        const away = Math.hypot(x - px, y - py);
        if (away < (best?.away ?? 48)) best = { which, i, level, away, x, y };
      });
    return best;
  }

  #hover(event) {
    this.#tell(event.buttons > 0 ? null : this.#nearest(event));
  }

  #tell(near) {
    this.tip.hidden = !near;
    if (!near) return;
    const [, models] = this.last;
    this.tip.textContent = t("lab.chart.tip", {
      side: near.which.toUpperCase(),
      step: near.i + 1,
      steps: this.levels[near.which].length,
      noise: ratioWords(near.level),
      units: listed(nativeWords(near.level, models)),
    });
    const left = near.x > this.svg.clientWidth / 2;
    this.tip.style.transform = `translate(${near.x + (left ? -12 : 12)}px, ${near.y - 14}px) translate(${left ? "-100%" : "0"}, -100%)`;
  }
}

/** @param {string} name @param {Record<string, string | number>} attributes */
function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

function text(x, y, words, anchor, kind) {
  const element = shape("text", { x, y, class: kind, "text-anchor": anchor, dy: "0.35em" });
  element.textContent = words;
  return element;
}
