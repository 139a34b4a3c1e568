/** "Who is near whom?": distances between tokens in the guess, as the trunk expects them, and off the reference. */

import { decode, sampleOf } from "./decode.js";
import { FAR, NEAR, OFF, chosenOf, distancesOf, gapOf, meanOf, nearPairs, painted, thinned } from "./distances.js";
import { listed, number, paragraph, t, words } from "./text.js";

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const MAPS = ["now", "expected", "reference"];

export class NearView {
  /** @param {HTMLElement} root the tab's panel @param {{pointed: (atoms: number[]) => void}} on a pair is pointed at */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.canvases = Object.fromEntries(MAPS.map((map) => [map, root.querySelector(`[data-map="${map}"] canvas`)]));
    this.tip = root.querySelector(".near-tip");
    this.summary = root.querySelector("#near-summary");
    for (const [key, value] of Object.entries({ far: FAR, same: 0, off: OFF }))
      root.querySelector(`[data-key="${key}"]`).textContent = t(`near.key.${key}`, { value });
    this.open = false;
    this.molecule = null;
    /** row and column pointed at, as places among the shown tokens; null: nothing */
    this.cell = null;
    for (const canvas of Object.values(this.canvases)) {
      canvas.addEventListener("pointermove", (event) => this.#pointAt(canvas, event));
      canvas.addEventListener("pointerdown", (event) => this.#pointAt(canvas, event));
      canvas.addEventListener("pointerleave", () => this.#point(null));
    }
    const { now } = this.canvases;
    now.addEventListener("blur", () => this.#point(null));
    now.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(root);
    this.table = root.querySelector("details");
    this.table.addEventListener("toggle", async () => {
      const [{ fillNear }] = await Promise.all([import("./near_table.js"), words("linked")]);
      this.fill = fillNear;
      this.#tabulate();
    });
  }

  /** The same as a table, as long as it is open. */
  #tabulate() {
    if (!this.fill || !this.table.open || !this.now) return;
    const { now, expected, reference } = this;
    const point = (cell) => this.#point(cell);
    this.fill(this.table.querySelector(".scroll"), { now, expected, reference, name: (k) => this.#name(k), point });
  }

  /** Another run or sample, or the run has ended. @param {import("./molecule_view.js").MoleculeView} view @param {any} run @param {number} sample */
  follow(view, run, sample) {
    const { molecule } = view;
    if (molecule !== this.molecule) this.cell = null;
    this.molecule = molecule;
    this.done = run?.done ?? null;
    if (!molecule) return;
    this.rows = thinned(molecule.tokens.length);
    this.atoms = this.rows.map((k) => molecule.tokens[k].atom);
    const count = molecule.tokens.length;
    const given = this.done?.distogram ? decode(this.done.distogram) : null;
    this.expected = given?.shape[0] === count ? chosenOf(given.values, count, this.rows) : null;
    const reference = this.done?.reference && sample === 0 ? decode(this.done.reference).values : null;
    this.reference = reference ? distancesOf(reference, this.atoms) : null;
    this.now = null;
    this.root.querySelector('[data-map="expected"] figcaption').textContent = t(
      this.expected || this.done ? "near.expected" : "near.expected_later",
    );
    this.root.querySelector('[data-map="expected"]').hidden = this.done !== null && !this.expected;
    for (const part of ['[data-map="reference"]', '[data-key="same"]', '[data-key="off"]'])
      this.root.querySelector(part).hidden = !this.reference;
    this.draw();
  }

  /** The playhead moved. @param {{frame: any, final: any, sample: number}} shown */
  move({ frame, final, sample }) {
    if (!this.molecule || (!frame && !final)) return;
    this.shown = { frame, final, sample };
    this.now = null;
    this.draw();
  }

  /** The tab comes or goes. @param {boolean} open */
  turn(open) {
    this.open = open;
    this.draw();
  }

  #measure() {
    const { frame, final, sample } = this.shown ?? {};
    if (this.now || (!frame && !final)) return;
    const array = final ? decode(final) : (frame.decoded?.denoised ?? decode(frame.denoised));
    const { values, shape } = sampleOf(array, 2, sample);
    if (shape[0] === this.molecule.atoms.length) this.now = distancesOf(values, this.atoms);
  }

  draw() {
    if (!this.molecule || !this.open) return;
    this.#measure();
    const style = getComputedStyle(this.root);
    const colour = (name) => rgb(style.getPropertyValue(`--${name}`).trim());
    const [dark, light, alarm] = ["molecule", "surface", "alarm"].map(colour);
    const off = this.now && this.reference ? gapOf(this.now, this.reference) : null;
    this.#paint("now", this.now, FAR, dark, light);
    this.#paint("expected", this.expected, FAR, dark, light);
    this.#paint("reference", off, OFF, light, alarm);
    this.#summarise(off);
    this.#tell();
    this.#tabulate();
  }

  #paint(map, matrix, most, from, to) {
    const canvas = this.canvases[map];
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.width = canvas.height = side;
    if (!matrix || !side) return;
    const small = new OffscreenCanvas(matrix.size, matrix.size);
    small.getContext("2d").putImageData(new ImageData(painted(matrix, most, from, to), matrix.size), 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, side, side);
    const style = getComputedStyle(this.root);
    context.strokeStyle = style.getPropertyValue("--line-strong");
    const step = side / matrix.size;
    const line = (k) => {
      context.beginPath();
      context.moveTo(k * step, 0);
      context.lineTo(k * step, side);
      context.moveTo(0, k * step);
      context.lineTo(side, k * step);
      context.stroke();
    };
    context.lineWidth = devicePixelRatio;
    const chain = (k) => this.molecule.tokens[this.rows[k]].chain;
    this.rows.forEach((_, k) => k > 0 && chain(k) !== chain(k - 1) && line(k));
    if (!this.cell) return;
    context.strokeStyle = style.getPropertyValue("--ink");
    context.lineWidth = 2 * devicePixelRatio;
    const [i, j] = this.cell;
    if (i !== null) context.strokeRect(-4, i * step, side + 8, Math.max(step, 3));
    if (j !== null) context.strokeRect(j * step, -4, Math.max(step, 3), side + 8);
  }

  #pointAt(canvas, event) {
    if (!this.molecule) return;
    const { left, top, width } = canvas.getBoundingClientRect();
    const place = (at) => Math.min(Math.max(Math.floor((at / width) * this.rows.length), 0), this.rows.length - 1);
    this.#point([place(event.clientY - top), place(event.clientX - left)]);
  }

  #key(event) {
    if (event.key === "Escape") this.#point(null);
    const arrow = ARROWS[event.key];
    if (!arrow || event.shiftKey || event.ctrlKey || !this.molecule) return;
    event.preventDefault();
    const clamp = (k) => Math.min(Math.max(k, 0), this.rows.length - 1);
    const [i, j] = this.cell ?? [0, Math.min(1, this.rows.length - 1)];
    this.#point(this.cell ? [clamp((i ?? j) + arrow[0]), clamp((j ?? i) + arrow[1])] : [i, j]);
  }

  #point(cell) {
    if (cell?.[0] === this.cell?.[0] && cell?.[1] === this.cell?.[1]) return;
    this.cell = cell;
    this.on.pointed(cell ? [...new Set(cell)].map((k) => this.atoms[k]) : []);
    this.draw();
  }

  /** An atom is pointed at in the molecule: its row and column. @param {number | null} atom */
  show(atom) {
    if (!this.molecule) return;
    const token = atom === null ? -1 : this.molecule.tokenOf[atom];
    const row = this.rows.findLastIndex((k) => k <= token);
    this.cell = atom === null ? null : [row, row];
    this.draw();
  }

  /** @param {number} k place among the shown tokens */
  #name(k) {
    const { residue, resnum, atoms, atom, chain } = this.molecule.tokens[this.rows[k]];
    const { kind, name } = this.molecule.atoms[atom];
    const single = atoms.length === 1;
    const token = single && !this.molecule.ribbon ? name : t("near.token", { residue, number: single ? name : resnum });
    return this.molecule.chains.length > 1 && kind !== "ion" ? t("near.token_chain", { token, chain }) : token;
  }

  /** The pair in words. */
  #tell() {
    if (!this.cell || !this.now) {
      this.tip.textContent = "";
      return;
    }
    const [i, j] = this.cell;
    const at = ({ size, values }) => tenths(values[i * size + j]);
    const parts = [t("near.part.now", { value: at(this.now) })];
    if (this.expected) parts.push(t("near.part.expected", { value: at(this.expected) }));
    if (this.reference) parts.push(t("near.part.reference", { value: at(this.reference) }));
    const [a, b] = [this.#name(i), this.#name(j)];
    this.tip.textContent = i === j ? a : t("near.pair", { a, b, parts: listed(parts) });
  }

  #summarise(off) {
    const { size } = this.now ?? {};
    if (!size) {
      this.summary.textContent = t("near.waiting");
      return;
    }
    const parts = [t("near.summary", { near: nearPairs(this.now), all: (size * (size - 1)) / 2, limit: NEAR })];
    if (this.expected) {
      const both = nearPairs(this.now, this.expected);
      const gap = tenths(meanOf(gapOf(this.now, this.expected)));
      parts.push(t("near.summary.expected", { expected: nearPairs(this.expected), both, gap }));
    }
    if (off) parts.push(t("near.summary.reference", { gap: tenths(meanOf(off)) }));
    const stride = this.rows[1] ?? 1;
    if (stride > 1) parts.push(t("near.thinned", { stride, count: this.molecule.tokens.length }));
    this.summary.textContent = paragraph(parts);
  }
}

/** Å, to the tenth. @param {number} value */
const tenths = (value) => number(Math.round(10 * value) / 10);

/** "#rrggbb" -> numbers. @param {string} text */
const rgb = (text) => [1, 3, 5].map((k) => Number.parseInt(text.slice(k, k + 2), 16));
