/** Molecules: which frame is drawn how. The 3-D viewer is scene3d.js, its replacement flat_scene.js. */

import { decode, sampleOf } from "./decode.js";
import { FlatScene, drawAtoms } from "./flat_scene.js";
import { Molecule, elementColour, extent } from "./molecule.js";
import { widestView } from "./orientation.js";
import { Scene3D, loadViewer } from "./scene3d.js";
import { secondaryStructure } from "./secondary_structure.js";
import { knows, number, t } from "./text.js";

/** Share of the well's half width that the molecule may fill. */
const FILL = 0.87;
const SVG = "http://www.w3.org/2000/svg";

export class MoleculeView {
  /** @param {{noisy: HTMLElement, estimate: HTMLElement, foot: HTMLElement}} places */
  constructor({ noisy, estimate, foot }) {
    this.wells = [noisy, estimate];
    this.foot = foot;
    this.molecule = null;
    this.last = null;
    this.scene = null;
    this.radius = 5;
    this.shrink = [1, 1];
    this.scales = this.wells.map((well) => {
      const bar = document.createElement("div");
      bar.className = "scale";
      bar.hidden = true;
      well.append(bar);
      return bar;
    });
    this.compare = Object.assign(document.createElement("button"), { type: "button", className: "compare-reference" });
    this.compare.textContent = t("molecule.reference");
    this.compare.setAttribute("aria-pressed", "false");
    this.compare.hidden = true;
    this.compare.addEventListener("click", () => {
      this.compare.setAttribute("aria-pressed", String(this.compare.getAttribute("aria-pressed") !== "true"));
      if (this.last) this.show(this.last);
    });
    this.loading = document.createElement("p");
    this.loading.className = "waiting";
    this.loading.textContent = t("molecule.loading");
    estimate.append(this.loading);
    this.ready = this.#load();
  }

  /** Brings the viewer up; a browser without it or without WebGL gets flat drawings and a sentence. */
  async #load() {
    try {
      await loadViewer();
      this.scene = new Scene3D(this.wells, () => this.#drawScales());
    } catch {
      this.scene = new FlatScene(this.wells);
      this.foot.after(
        Object.assign(document.createElement("p"), { className: "flat-note", textContent: t("molecule.flat") }),
      );
    }
    this.loading.remove();
    if (this.molecule) this.#build();
  }

  /** @param {import("./run.js").Run} run */
  start(run) {
    this.last = null;
    this.finished = false;
    this.molecule = run.start?.atoms ? new Molecule(run.start) : null;
    if (!this.molecule) return;
    this.radius = this.molecule.diameter / 2;
    this.turn = [0, 0, 0, 1];
    const count = this.molecule.atoms.length;
    this.wells[0].setAttribute("aria-label", t("molecule.alt.noisy"));
    this.wells[1].setAttribute("aria-label", t("molecule.alt.estimate", { count }));
    this.#drawLegend();
    if (run.done) this.#finish(run, 0, false);
    if (this.scene) this.#build();
  }

  #build() {
    this.scene.build(this.molecule, this.radius / FILL, this.turn);
    if (this.last) this.show(this.last);
  }

  /** The finished sample says how large the molecule really is, and from where it is seen best. */
  #finish(run, sample, glide) {
    this.finished = true;
    const { values } = sampleOf(decode(run.done.sample), 2, sample);
    this.radius = extent(values).radius + 1;
    this.turn = widestView(values, glide ? this.scene?.turned : undefined);
    if (glide) this.scene?.fit(this.radius / FILL, this.turn);
  }

  /** Diameter in Å, as far as it is known. */
  get diameter() {
    return 2 * this.radius;
  }

  /** How somebody has turned it, null if nobody has. @returns {number[] | null} */
  get turned() {
    return this.scene?.touched ? this.scene.turned : null;
  }

  /** Turns it as somebody else has it, null: as it is seen best. @param {number[] | null} turn */
  turnTo(turn) {
    if (turn) this.scene?.turnTo?.(turn);
    else if (this.scene?.touched) this.scene.home();
  }

  /** @param {{run: import("./run.js").Run, frame: any, final: any, sample: number}} shown */
  show(shown) {
    this.last = shown;
    const { run, frame, final, sample } = shown;
    if (!this.molecule) return;
    if (run.done && !this.finished) this.#finish(run, sample, true);
    if (!this.scene) return;
    if (!frame && !final) {
      this.scene.clear();
      return;
    }
    let pair;
    if (final) pair = [decode(final), decode(final)];
    else {
      frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
      pair = [frame.decoded.x, frame.decoded.denoised];
    }
    pair.forEach((array, which) => {
      const { values } = sampleOf(array, 2, sample);
      const { centre, radius } = extent(values);
      // What does not fit is drawn smaller, and the scale bar says by how much.
      this.shrink[which] = Math.min(1, this.radius / Math.max(radius, 1e-6));
      const placed = Float32Array.from(values, (v, i) => (v - centre[i % 3]) * this.shrink[which]);
      this.scene.place(which, placed, which === 1 && this.shrink[1] === 1 ? this.#structure(values) : null);
    });
    this.#drawReference(final ? run.done : null);
    this.scene.render();
    this.#drawScales();
  }

  /** The experiment's coordinates over the finished first sample, onto which the server has laid them. @param {any} done */
  #drawReference(done) {
    const offered = Boolean(done?.reference && this.last.sample === 0 && this.scene.overlay);
    this.compare.hidden = !offered;
    if (!this.scene.overlay) return;
    const shown = offered && this.compare.getAttribute("aria-pressed") === "true";
    if (!shown) {
      this.scene.overlay(null);
      return;
    }
    const { centre } = extent(sampleOf(decode(done.sample), 2, 0).values);
    const placed = Float32Array.from(decode(done.reference).values, (v, i) => (v - centre[i % 3]) * this.shrink[1]);
    this.scene.overlay(placed);
  }

  /** @param {HTMLCanvasElement} canvas @param {any} frame or null for the sample @param {any} final @param {number} sample */
  thumbnail(canvas, frame, final, sample) {
    const { values } = sampleOf(decode(frame ? frame.denoised : final), 2, sample);
    const { centre } = extent(values);
    const placed = Float32Array.from(values, (v, i) => v - centre[i % 3]);
    drawAtoms(canvas, this.molecule, placed, this.radius / FILL, this.turn);
  }

  /** Secondary structure of each atom's residue. @param {Float32Array} xyz */
  #structure(xyz) {
    if (!this.molecule.protein) return null;
    const letters = new Array(this.molecule.atoms.length).fill("c");
    for (const trace of this.molecule.traces) {
      const found = secondaryStructure(trace.map((i) => [xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]]));
      const byResidue = new Map(trace.map((i, k) => [this.molecule.atoms[i].resnum, found[k]]));
      const { chain } = this.molecule.atoms[trace[0]];
      this.molecule.atoms.forEach((atom, i) => {
        if (atom.chain === chain) letters[i] = byResidue.get(atom.resnum) ?? "c";
      });
    }
    return letters;
  }

  #drawScales() {
    this.scales.forEach((bar, which) => {
      const perAngstrom = this.scene.pixelsPerAngstrom * this.shrink[which];
      bar.hidden = !this.last || !(perAngstrom > 0);
      if (bar.hidden) return;
      let length = 10 ** Math.floor(Math.log10(90 / perAngstrom));
      for (const factor of [5, 2]) {
        if (length * factor * perAngstrom <= 90) {
          length *= factor;
          break;
        }
      }
      bar.style.width = `${length * perAngstrom}px`;
      bar.textContent = `${number(length)} Å`;
    });
  }

  #drawLegend() {
    const legend = document.createElement("div");
    legend.className = "legend";
    if (this.molecule.protein) {
      const bar = Object.assign(document.createElement("span"), { className: "chain" });
      const item = document.createElement("span");
      item.append(t("legend.first"), bar, t("legend.last"));
      legend.append(item);
    }
    for (const element of this.molecule.elements) {
      const item = document.createElement("span");
      const svg = document.createElementNS(SVG, "svg");
      const circle = document.createElementNS(SVG, "circle");
      svg.setAttribute("viewBox", "0 0 10 10");
      svg.setAttribute("aria-hidden", "true");
      for (const [key, value] of Object.entries({ cx: 5, cy: 5, r: 4.4, fill: elementColour(element) }))
        circle.setAttribute(key, value);
      svg.append(circle);
      item.append(svg, knows(`element.${element}`) ? t(`element.${element}`) : element);
      legend.append(item);
    }
    this.foot.replaceChildren(legend, this.compare);
  }

  restyle() {
    this.scene?.restyle();
  }
}
