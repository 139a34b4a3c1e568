/** The one module that touches the 3-D viewer, 3Dmol.js: two linked scenes of the same atoms. */

import { styleOf } from "./molecule_look.js";
import { between, rotated } from "./orientation.js";

const SCRIPT = "/static/vendor/3Dmol-min.js";
const CAMERA_Z = 150; // where 3Dmol puts its camera
const HALF_FIELD = (10 * Math.PI) / 180; // half of its field of view
const TURN = 12; // degrees per key press
/** Å: three dashes along a C-C bond. */
const DASHES = { dashLength: 0.22, gapLength: 0.2 };

/** @typedef {{xyz: Float32Array, colour: string, radius: number, dashed?: boolean}} Shadow  xyz (N, 3); radius: Å of the sticks */

/** @returns {Promise<void>} @throws {Error} when the script is missing or there is no WebGL */
export async function loadViewer() {
  if (!globalThis.$3Dmol) {
    await new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = SCRIPT;
      script.onload = resolve;
      script.onerror = () => reject(new Error("3Dmol.js is not installed"));
      document.head.append(script);
    });
  }
  if (!renderer()) throw new Error("no WebGL");
}

/** Name of the graphics hardware, "" if unknown, null without WebGL. */
function renderer() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return null;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return name || "unknown";
}

/** Smoothing edges costs ten times the rest when the processor draws the picture. */
function canSmooth() {
  const forced = new URLSearchParams(location.search).get("lowgfx") === "1";
  return !forced && !/swiftshader|llvmpipe|software|basic render/i.test(renderer() ?? "");
}

export class Scene3D {
  /** @param {HTMLElement[]} wells @param {() => void} onView called when the camera has moved */
  constructor(wells, onView) {
    this.onView = onView;
    this.touched = false;
    this.radius = 5;
    const antialias = canSmooth();
    this.viewers = wells.map((well) => {
      const place = document.createElement("div");
      place.className = "scene";
      well.append(place);
      const viewer = globalThis.$3Dmol.createViewer(place, { antialias, backgroundAlpha: 0, disableFog: true });
      // One stop for both: they turn together, and the keys' cursor goes over the guess.
      well.tabIndex = well === wells[1] ? 0 : -1;
      well.setAttribute("role", well === wells[1] ? "application" : "img");
      this.#guard(well);
      return viewer;
    });
    const [a, b] = this.viewers;
    a.linkViewer(b);
    b.linkViewer(a);
    a.setViewChangeCallback(this.onView);
  }

  /** The wheel and a swiping finger belong to the page until the molecule has been clicked. */
  #guard(well) {
    const holdBack = (event) => {
      const pinch = event.touches?.length > 1;
      if (well.dataset.active === undefined && !event.ctrlKey && !pinch) event.stopPropagation();
      else if (event.type === "wheel") this.touched = true;
    };
    for (const type of ["wheel", "touchstart", "touchmove"])
      well.addEventListener(type, holdBack, { capture: true, passive: true });
    well.addEventListener("click", () => (well.dataset.active = ""));
    well.addEventListener("pointermove", (event) => {
      if (event.buttons > 0) this.touched = true;
    });
    document.addEventListener("pointerdown", (event) => {
      if (!well.contains(event.target)) delete well.dataset.active;
    });
    well.addEventListener("dblclick", () => this.home());
    well.addEventListener("keydown", (event) => {
      const turn = { ArrowLeft: [-TURN, "y"], ArrowRight: [TURN, "y"], ArrowUp: [-TURN, "x"], ArrowDown: [TURN, "x"] }[
        event.key
      ];
      if (!turn || !event.shiftKey) return;
      event.preventDefault();
      this.touched = true;
      this.viewers[0].rotate(...turn);
    });
  }

  /** Back to where it is seen best. */
  home() {
    this.touched = false;
    this.fit(this.radius, this.turn);
  }

  /**
   * @param {import("./molecule.js").Molecule} molecule @param {number} radius Å from the middle to the edge
   * @param {import("./orientation.js").Quaternion} turn how the molecule is turned
   * @param {boolean} [kept] whether the camera stays where somebody has put it
   */
  build(molecule, radius, turn, kept = false) {
    this.molecule = molecule;
    const neighbours = molecule.atoms.map(() => ({ bonds: [], bondOrder: [] }));
    for (const [i, j, order] of molecule.bonds) {
      neighbours[i].bonds.push(j);
      neighbours[j].bonds.push(i);
      // 4 is "aromatic", which the viewer would draw dashed through
      for (const k of [i, j]) neighbours[k].bondOrder.push(order === 4 ? 1 : order || 1);
    }
    this.shadows = [];
    this.grouped = [null, null];
    this.models = this.viewers.map((viewer) => {
      viewer.removeAllModels();
      const model = viewer.addModel();
      model.addAtoms(
        molecule.atoms.map((atom, i) => ({
          elem: atom.element,
          atom: atom.name,
          resn: atom.residue,
          resi: atom.resnum,
          chain: atom.chain,
          serial: i,
          hetflag: !atom.ribbon,
          ss: "c",
          x: 0,
          y: 0,
          z: 0,
          ...neighbours[i],
        })),
      );
      return model;
    });
    this.atoms = this.models.map((model) => model.selectedAtoms({}));
    if (!kept) this.touched = false;
    this.fit(radius, turn, false);
  }

  /** How atoms look from the next {@link place} on. @param {import("./molecule_look.js").Look} look */
  paint(look) {
    this.look = look;
    this.colours = look.colours.map((colour) => Number.parseInt(colour.slice(1), 16));
  }

  /**
   * @param {0 | 1} which 0 noisy, 1 estimate @param {Float32Array} xyz (N, 3) centred, Å on the screen
   * @param {string[] | null} structure one letter per atom: chains are drawn as ribbons
   * @param {number} shrink how much smaller than life the molecule is drawn
   */
  place(which, xyz, structure, shrink = 1) {
    this.atoms[which].forEach((atom, i) => {
      atom.x = xyz[3 * i];
      atom.y = xyz[3 * i + 1];
      atom.z = xyz[3 * i + 2];
      atom.color = this.colours[i];
      if (structure) atom.ss = structure[i];
    });
    const model = this.models[which];
    const groups = this.#groups(which, structure !== null, shrink);
    for (const { style, members } of groups)
      model.setStyle(groups.length > 1 ? { predicate: ({ serial }) => members.has(serial) } : {}, style);
  }

  /** Atoms by how they are drawn, worked out again only when that changes: the viewer chooses them by a test. */
  #groups(which, ribbons, shrink) {
    const size = Math.round(20 * shrink) / 20;
    const held = this.grouped[which];
    if (held?.look === this.look && held.ribbons === ribbons && held.size === size) return held.groups;
    const groups = new Map();
    this.molecule.atoms.forEach((_, i) => {
      const style = styleOf(this.molecule, this.look, i, ribbons, size);
      const key = JSON.stringify(style);
      if (!groups.has(key)) groups.set(key, { style, members: new Set() });
      groups.get(key).members.add(i);
    });
    this.grouped[which] = { look: this.look, ribbons, size, groups: [...groups.values()] };
    return this.grouped[which].groups;
  }

  /**
   * The same molecule from elsewhere, thin, over the estimate.
   * @param {Shadow[]} shapes placed like the estimate; those of before go
   */
  overlay(shapes) {
    const viewer = this.viewers[1];
    const held = this.shadows ?? [];
    for (const shadow of held.splice(shapes.length)) viewer.removeModel(shadow);
    // What moves with every frame keeps its model: making one takes longer than drawing it.
    while (held.length < shapes.length) held.push(this.#shadow(viewer));
    shapes.forEach(({ xyz, colour, radius, dashed }, k) => {
      held[k].selectedAtoms({}).forEach((atom, i) => {
        [atom.x, atom.y, atom.z] = [xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]];
      });
      const dashes = dashed ? { dashedBonds: true, dashedBondConfig: DASHES } : {};
      held[k].setStyle({}, { stick: { radius, color: colour, ...dashes } });
      const lone = (atom) => atom.bonds.length === 0;
      held[k].setStyle({ predicate: lone }, { sphere: { radius: 6 * radius, color: colour } });
    });
    this.shadows = held;
  }

  #shadow(viewer) {
    const shadow = viewer.addModel();
    shadow.addAtoms(
      this.molecule.atoms.map((atom, i) => ({
        elem: atom.element,
        serial: i,
        x: 0,
        y: 0,
        z: 0,
        // Joined as the model's own atoms are; the object keeps bonds and orders apart from theirs.
        bonds: [...this.atoms[1][i].bonds],
        bondOrder: this.atoms[1][i].bondOrder.map(() => 1),
      })),
    );
    return shadow;
  }

  /**
   * Where the atoms are on the screen. @param {0 | 1} which
   * @returns {{x: number, y: number, depth: number}[] | null} pixels from the well's corner; larger depth is nearer
   */
  screen(which) {
    const atoms = this.atoms?.[which];
    if (!atoms) return null;
    const viewer = this.viewers[which];
    const { left, top } = viewer.getCanvas().getBoundingClientRect();
    const turn = this.turned;
    return viewer.modelToScreen(atoms).map(({ x, y }, i) => ({
      x: x - left - scrollX,
      y: y - top - scrollY,
      depth: rotated(turn, [atoms[i].x, atoms[i].y, atoms[i].z])[2],
    }));
  }

  render() {
    for (const viewer of this.viewers) viewer.render();
  }

  clear() {
    for (const model of this.models ?? []) model.setStyle({}, {});
    this.render();
  }

  /** How the camera is turned now. @returns {import("./orientation.js").Quaternion} */
  get turned() {
    return this.viewers[0].getView().slice(4, 8);
  }

  /** Moves the camera so that the radius fills the picture, unless the visitor has taken it over. */
  fit(radius, turn, glide = true) {
    this.radius = radius;
    this.turn = turn;
    if (this.touched) return;
    const target = CAMERA_Z - radius / Math.tan(HALF_FIELD);
    const begin = this.viewers[0].getView();
    const started = performance.now();
    const quiet = !glide || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const move = (now) => {
      const done = quiet ? 1 : Math.min((now - started) / 600, 1);
      const part = done * (2 - done);
      const view = [0, 0, 0, begin[3] + (target - begin[3]) * part, ...between(begin.slice(4, 8), turn, part)];
      for (const viewer of this.viewers) {
        viewer.setSlab(-3 * radius, 3 * radius);
        viewer.setView(view, true);
      }
      this.onView();
      if (done < 1 && !this.touched) requestAnimationFrame(move);
    };
    move(started);
  }

  /** Turns the molecule as somebody else has it. @param {import("./orientation.js").Quaternion} turn */
  turnTo(turn) {
    this.touched = true;
    const [x, y, z, zoom] = this.viewers[0].getView();
    for (const viewer of this.viewers) viewer.setView([x, y, z, zoom, ...turn], true);
    this.render();
    this.onView();
  }

  /** Screen pixels per Å in the plane of the molecule's middle. */
  get pixelsPerAngstrom() {
    const distance = CAMERA_Z - this.viewers[0].getView()[3];
    const height = this.viewers[1].getCanvas().clientHeight;
    return height / 2 / (Math.tan(HALF_FIELD) * distance);
  }

  restyle() {}
}
