/**
 * By keys what a pointer does: a cursor over the picture, the molecule, the matrix of pairs and the curves.
 * Arrows move it, Enter goes where it leads, Escape takes it away; what it is on is announced.
 */

import { curvesOf } from "./settling_words.js";
import { nearest, towards } from "./projection.js";
import { listed, number, paragraph, percent, t } from "./text.js";
import { levelAt, levelOf, neighbour, positionOf } from "./timeline.js";
import { bandName, ratioWords } from "./words.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STRIDE = 5; // cells of a picture per press with Shift

export class LinkedKeys {
  /** @param {import("./linked.js").Linked} linked @param {(text: string) => void} announce */
  constructor(linked, announce) {
    this.linked = linked;
    this.announce = announce;
    const { picture, molecule } = linked;
    const chart = document.getElementById("chart-frame");
    const near = document.querySelector('#near-panel [data-map="now"] canvas');
    this.#cursor(picture.places.estimate, { move: (...to) => this.#pixel(...to), clear: () => linked.leavePixel() });
    this.#cursor(molecule.places.estimate, {
      move: (to, far) => (far ? undefined : this.#atom(to)), // with Shift they turn the molecule
      clear: () => molecule.view.marks.pick(1, null),
    });
    if (chart) this.#cursor(chart, { move: (to) => this.#curve(to), clear: () => linked.preview(null) });
    // The matrix has its arrows and Escape already; its module tells which pair it is on.
    if (near) this.#cursor(near, { clear: () => {} });
  }

  /**
   * @param {HTMLElement} place that has the focus
   * @param {{move?: (to: number[], far: boolean) => string | undefined, clear: () => void}} on move: what is there, in words
   */
  #cursor(place, { move, clear }) {
    let active = false;
    place.addEventListener("keydown", (event) => {
      if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      if (arrow && move) {
        const words = move(arrow, event.shiftKey);
        if (words === undefined) return;
        active = true;
        this.announce(words);
      } else if (event.key === "Enter") this.#go();
      else if (event.key === "Escape" && (active || this.linked.target !== null)) {
        active = false;
        clear();
        this.announce(t("linked.keys.cleared"));
      } else {
        if (arrow) active = true;
        return;
      }
      event.preventDefault();
      event.stopPropagation();
    });
    place.addEventListener("blur", () => {
      if (active) clear();
      active = false;
    });
  }

  /** To where the cursor leads. */
  #go() {
    const { linked } = this;
    if (linked.target === null) {
      this.announce(t("linked.keys.nothing"));
      return;
    }
    linked.stage.seek(linked.target);
    this.announce(t("linked.keys.went", { place: linked.stage.view.track.getAttribute("aria-valuetext") }));
  }

  /** A cell of the chosen sample on. */
  #pixel([dx, dy], far) {
    const { linked } = this;
    const { run, sample } = linked.picture;
    if (!run?.done || run.stepwise) return t("linked.keys.wait");
    const count = linked.cells(sample);
    const stride = far ? STRIDE : 1;
    const clamp = (value) => Math.min(Math.max(value, 0), count - 1);
    // The first press finds the middle.
    if (this.at === undefined || this.count !== count || linked.target === null) {
      this.count = count;
      this.at ??= [count >> 1, count >> 1];
      this.at = this.at.map(clamp);
    } else this.at = [clamp(this.at[0] + stride * dx), clamp(this.at[1] + stride * dy)];
    const [x, y] = this.at;
    const words = linked.point(sample, (x + 0.5) / count, (y + 0.5) / count);
    return t("linked.keys.pixel", { row: y + 1, column: x + 1, count, words });
  }

  /** The next atom in a direction on the screen. */
  #atom(to) {
    const { view, run } = this.linked.molecule;
    const { marks } = view;
    const points = marks.on.screen(1);
    if (!points) return t("linked.keys.wait");
    const shown = points.map((_, i) => i).filter(marks.on.wanted);
    const places = shown.map((i) => [points[i].x, points[i].y]);
    const from = shown.indexOf(marks.under);
    const middle = [0, 1].map((k) => places.reduce((sum, place) => sum + place[k], 0) / places.length);
    const atom = shown[from < 0 ? nearest(places, middle) : towards(places, from, to)];
    marks.pick(1, atom);
    const words = run?.done && !run.stepwise ? this.linked.said : t("linked.keys.later");
    return t("linked.keys.atom", { atom: marks.on.label(atom), words });
  }

  /** The next frame along the curves: it is shown while the playhead stays. */
  #curve([dx, dy]) {
    const { stage } = this.linked;
    const from = this.linked.target ?? stage.player.u;
    const u = Math.min(neighbour(stage.player.stops, from, dx - dy > 0 ? 1 : -1), stage.player.limit);
    this.linked.preview(u);
    const level = levelAt(stage.axis, u);
    const rows = stage.panels.map(({ name, run }) => ({ name, settling: curvesOf(run) })).filter(({ settling }) => settling);
    if (level === -Infinity) return t("linked.keys.end");
    const parts = rows.map(({ name, settling }) => t("linked.keys.row", { name, parts: valuesAt(settling, level) }));
    return paragraph([t("linked.keys.curve", { noise: ratioWords(10 ** level) }), ...parts]);
  }
}

/** What is left of each scale's error at a level. @param {any} settling @param {number} level @returns {string} */
function valuesAt({ sigma_over_data: noise, bands }, level) {
  const at = noise.findLastIndex((ratio) => levelOf(ratio) >= level - 1e-6);
  return listed(bands.map((band) => `${bandName(band)} ${percent(band.error[Math.max(at, 0)])}`));
}
