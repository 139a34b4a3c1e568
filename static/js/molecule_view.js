/** Molecules: which frame is drawn how. The 3-D viewer is scene3d.js, its replacement flat_scene.js. */

import { AtomMarks } from "./atom_marks.js";
import { decode, sampleOf } from "./decode.js";
import { Molecule, extent } from "./molecule.js";
import { legend } from "./molecule_legend.js";
import { lookOf } from "./molecule_look.js";
import { MoleculeTools } from "./molecule_tools.js";
import { widestView } from "./orientation.js";
import { References } from "./references.js";
import { Scene3D, loadViewer } from "./scene3d.js";
import { structureOf } from "./secondary_structure.js";
import { number, t } from "./text.js";

/** Share of the well's half width that the molecule may fill. */
const FILL = 0.87;

export class MoleculeView {
  /**
   * @param {{noisy: HTMLElement, estimate: HTMLElement, foot: HTMLElement}} places
   * @param {import("./molecule_tools.js").Wishes} wishes how visitors want molecules drawn
   * @param {boolean} [later] the viewer is brought up when there is something to show
   */
  constructor({ noisy, estimate, foot }, wishes, later = false) {
    this.wells = [noisy, estimate];
    this.wishes = wishes;
    wishes.listeners.push(() => this.restyle());
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
    this.tools = new MoleculeTools(estimate.parentElement, wishes);
    this.references = new References(() => this.last && this.show(this.last));
    estimate.parentElement.append(this.references.element);
    this.marks = new AtomMarks(this.wells, {
      screen: (which) => (this.last && this.scene?.screen(which)) || null,
      label: (i) => this.#label(i),
      wanted: (i) => this.#visible(i),
      pointed: (i) => this.pointed(i),
    });
    /** called with the atom under the pointer, null when there is none */
    this.pointed = () => {};
    /** called with the atoms that the matrix of distances points at */
    this.paired = (_atoms) => {};
    /** the other track of a forked run @type {import("./branch_ghost.js").Ghost | null} */
    this.ghost = null;
    this.plddt = null;
    this.loading = document.createElement("p");
    this.loading.className = "waiting";
    this.loading.textContent = t("molecule.loading");
    if (!later) this.#bringUp();
  }

  #bringUp() {
    if (this.begun) return;
    this.begun = true;
    this.wells[1].append(this.loading);
    this.#load();
  }

  /** Brings the viewer up; a browser without it or without WebGL gets flat drawings and a sentence. */
  async #load() {
    try {
      await loadViewer();
      this.scene = new Scene3D(this.wells, () => {
        this.#drawScales();
        this.marks.draw();
      });
    } catch {
      const { FlatScene } = await import("./flat_scene.js");
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
    const before = this.molecule;
    this.last = null;
    this.finished = false;
    this.facing = null;
    this.plddt = null;
    this.marks.mark([]);
    this.molecule = run.start?.atoms ? new Molecule(run.start) : null;
    // The other track of the same molecule is seen as this one was.
    const kept = run.fork !== undefined || this.ghost ? sameAtoms(before, this.molecule) : false;
    if (!this.molecule) {
      this.clear();
      return;
    }
    this.#bringUp();
    const { atoms, chains } = this.molecule;
    this.references.follow(run, chains.length === 1 && !this.molecule.ribbon && atoms.length > 1);
    if (!kept) {
      this.radius = this.molecule.diameter / 2;
      this.turn = [0, 0, 0, 1];
    }
    const count = this.molecule.atoms.length;
    this.wells[0].setAttribute("aria-label", t("molecule.alt.noisy"));
    this.wells[1].setAttribute("aria-label", t("molecule.alt.estimate", { count }));
    if (run.done && !kept) this.#finish(run, 0, false);
    this.#look();
    if (this.scene) this.#build(kept);
  }

  /** The other track of a forked run, null when there is none any more. @param {import("./branch_ghost.js").Ghost | null} ghost */
  haunt(ghost) {
    this.ghost = ghost;
    if (this.last) this.show(this.last);
  }

  /** @param {boolean} [kept] whether it is seen from where the molecule before it was */
  #build(kept = false) {
    this.scene.build(this.molecule, this.radius / FILL, this.turn, kept);
    this.scene.paint(this.look);
    if (this.last) this.show(this.last);
  }

  /** Nothing to show. */
  clear() {
    this.last = null;
    this.tools.hide();
    this.references.offer(null, 0);
    this.foot.replaceChildren();
    if (this.molecule) this.scene?.clear();
    this.#drawScales();
  }

  /** Style, colours and legend, from what is wished and what is known. */
  #look() {
    this.look = lookOf(this.molecule, this.wishes, this.plddt);
    this.tools.show(this.molecule, this.look, this.plddt !== null);
    const row = legend(this.molecule, this.look, this.plddt);
    if (this.legend?.parentElement === this.foot) this.legend.replaceWith(row);
    else this.foot.replaceChildren(row);
    this.legend = row;
    this.scene?.paint(this.look);
  }

  /** @param {number} i atom */
  #label(i) {
    const { name, place, chain } = this.molecule.label(i);
    const parts = [name, place, chain && t("atom.chain", { chain })];
    if (this.plddt) parts.push(t("atom.plddt", { value: Math.round(this.plddt[i]) }));
    return parts.filter(Boolean).join(" · ");
  }

  /** Whether an atom is drawn: a ribbon hides all but those that stand for its residues. */
  #visible(i) {
    const { ribbon, standard } = this.molecule.atoms[i];
    const hidden = ribbon && standard && this.look.style === "cartoon";
    return !hidden || this.molecule.tokens[this.molecule.tokenOf[i]].atom === i;
  }

  /** The finished sample says how large the molecule really is, and from where it is seen best. */
  #finish(run, sample, glide) {
    this.finished = true;
    const { values } = sampleOf(decode(run.done.sample), 2, sample);
    this.radius = extent(values).radius + 1;
    this.turn = this.facing ?? widestView(values, glide ? this.scene?.turned : undefined);
    if (glide) this.scene?.fit(this.radius / FILL, this.turn);
  }

  /** From where the finished molecule is seen, until somebody turns it. @param {import("./orientation.js").Quaternion} turn */
  face(turn) {
    this.facing = turn;
    if (!this.finished) return;
    this.turn = turn;
    this.scene?.fit(this.radius / FILL, turn);
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
    if (run.done?.plddt && (this.plddt === null || sample !== this.sample)) {
      this.plddt = sampleOf(decode(run.done.plddt), 1, sample).values;
      this.#look();
    }
    this.sample = sample;
    if (!this.scene) return;
    if (!frame && !final) {
      this.references.offer(null, sample);
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
      const whole = which === 1 && this.shrink[1] === 1;
      this.scene.place(which, placed, whole ? structureOf(this.molecule, values) : null, this.shrink[which]);
    });
    this.#drawOver(final ? run.done : null, sample, sampleOf(pair[1], 2, sample).values);
    this.scene.render();
    this.#drawScales();
    this.marks.draw();
  }

  /**
   * What is switched on lies over the finished first sample, onto which the server has laid it; the other
   * track over every frame. @param {any} done @param {number} sample @param {Float32Array} values of the guess
   */
  #drawOver(done, sample, values) {
    this.references.offer(done, sample);
    const { centre } = extent(values);
    const placed = (other) => Float32Array.from(other, (v, i) => (v - centre[i % 3]) * this.shrink[1]);
    const shapes = this.references.shapes.map((shape) => ({ ...shape, xyz: placed(shape.values) }));
    if (this.ghost) shapes.push(...this.ghost.shapes(values, this.shrink[1], sample));
    this.scene.overlay(shapes);
  }

  /** @param {HTMLCanvasElement} canvas @param {any} frame or null for the sample @param {any} final @param {number} sample */
  async thumbnail(canvas, frame, final, sample) {
    const { molecule, radius, turn, look } = this; // another one may begin while the module comes
    const { drawAtoms } = await import("./flat_scene.js");
    const { values } = sampleOf(decode(frame ? frame.denoised : final), 2, sample);
    const { centre } = extent(values);
    const placed = Float32Array.from(values, (v, i) => v - centre[i % 3]);
    if (molecule) drawAtoms(canvas, molecule, placed, radius / FILL, turn, look?.colours);
  }

  #drawScales() {
    this.scales.forEach((bar, which) => {
      const perAngstrom = (this.scene?.pixelsPerAngstrom ?? 0) * this.shrink[which];
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

  restyle() {
    this.scene?.restyle();
    if (!this.molecule) return;
    this.#look();
    if (this.last) this.show(this.last);
  }
}

/** Whether two molecules have the same atoms in the same order. @param {Molecule | null} a @param {Molecule | null} b */
function sameAtoms(a, b) {
  if (a?.atoms.length !== b?.atoms.length) return false;
  return a !== null && a.atoms.every(({ element, name }, i) => element === b.atoms[i].element && name === b.atoms[i].name);
}
