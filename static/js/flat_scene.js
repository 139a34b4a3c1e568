/** Atoms and bonds on a plain canvas, for browsers without WebGL. The same calls as scene3d.js. */

import { elementColour } from "./molecule.js";
import { after, rotated } from "./orientation.js";

const STEP = Math.tan((6 * Math.PI) / 180); // of half the angle that a key turns it by
const TURNS = {
  ArrowLeft: [0, -STEP, 0, 1],
  ArrowRight: [0, STEP, 0, 1],
  ArrowUp: [-STEP, 0, 0, 1],
  ArrowDown: [STEP, 0, 0, 1],
};

export class FlatScene {
  /** @param {HTMLElement[]} wells */
  constructor(wells) {
    this.turn = [0, 0, 0, 1];
    this.placed = [null, null];
    this.canvases = wells.map((well) => {
      const canvas = document.createElement("canvas");
      canvas.className = "flat";
      well.append(canvas);
      well.tabIndex = well === wells[1] ? 0 : -1; // as in scene3d.js
      well.setAttribute("role", well === wells[1] ? "application" : "img");
      well.addEventListener("pointermove", (event) => {
        if (event.buttons !== 1) return;
        this.turn = after(this.turn, [event.movementY / 240, event.movementX / 240, 0, 1]);
        this.render();
      });
      well.addEventListener("keydown", (event) => {
        const turn = TURNS[event.key];
        if (!turn || !event.shiftKey) return;
        event.preventDefault();
        this.turn = after(this.turn, turn);
        this.render();
      });
      new ResizeObserver(() => this.render()).observe(well);
      return canvas;
    });
  }

  build(molecule, radius, turn, kept = false) {
    this.molecule = molecule;
    this.placed = [null, null];
    this.radius = radius;
    if (!kept) this.turn = turn;
  }

  get turned() {
    return this.turn;
  }

  /** @param {import("./molecule_look.js").Look} look */
  paint(look) {
    this.look = look;
  }

  place(which, xyz) {
    this.placed[which] = xyz;
  }

  /** As in scene3d.js; a ribbon needs the other viewer, thin lines do not. */
  overlay(shapes) {
    this.shapes = shapes;
  }

  /** @param {0 | 1} which @returns {{x: number, y: number, depth: number}[] | null} */
  screen(which) {
    const xyz = this.placed[which];
    if (!xyz) return null;
    const canvas = this.canvases[which];
    const side = canvas.clientWidth;
    const [left, top] = [canvas.offsetLeft, canvas.offsetTop];
    return pointsOf(xyz, side, this.radius, this.turn).map(({ x, y, depth }) => ({ x: x + left, y: y + top, depth }));
  }

  fit(radius, turn) {
    this.radius = radius;
    this.turn = turn;
    this.render();
  }

  clear() {
    this.placed = [null, null];
    this.render();
  }

  render() {
    this.canvases.forEach((canvas, which) => this.#draw(canvas, this.placed[which], which));
  }

  get pixelsPerAngstrom() {
    return this.canvases[0].clientWidth / 2 / this.radius;
  }

  #draw(canvas, xyz, which) {
    const { clientWidth, clientHeight } = canvas.parentElement;
    const side = Math.round(Math.min(clientWidth, clientHeight) * devicePixelRatio);
    canvas.width = side;
    canvas.height = side;
    canvas.style.width = canvas.style.height = `${side / devicePixelRatio}px`;
    if (!xyz) return;
    drawAtoms(canvas, this.molecule, xyz, this.radius, this.turn, this.look?.colours);
    if (which !== 1) return;
    const context = canvas.getContext("2d");
    for (const { xyz: other, colour, dashed } of this.shapes ?? []) {
      context.setLineDash(dashed ? [5 * devicePixelRatio, 4 * devicePixelRatio] : []);
      context.strokeStyle = colour;
      context.lineWidth = 1.5 * devicePixelRatio;
      drawBonds(context, this.molecule, pointsOf(other, side, this.radius, this.turn));
    }
  }

  restyle() {
    this.render();
  }
}

/**
 * Balls and sticks, far ones first. @param {HTMLCanvasElement} canvas square
 * @param {import("./molecule.js").Molecule} molecule @param {Float32Array} xyz (N, 3) centred
 * @param {number} radius Å from the middle to the edge @param {import("./orientation.js").Quaternion} turn
 * @param {string[]} [colours] one per atom; else by element
 */
export function drawAtoms(canvas, molecule, xyz, radius, turn, colours) {
  const side = canvas.width;
  const context = canvas.getContext("2d");
  const scale = side / 2 / radius;
  const points = pointsOf(xyz, side, radius, turn);
  context.lineWidth = Math.max(1.5, scale * 0.25);
  context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--line-strong");
  drawBonds(context, molecule, points);
  const order = points.map((_, i) => i).sort((a, b) => points[a].depth - points[b].depth);
  context.lineWidth = 1;
  for (const i of order) {
    context.beginPath();
    context.fillStyle = colours?.[i] ?? elementColour(molecule.atoms[i].element);
    context.arc(points[i].x, points[i].y, Math.max(1.5, scale * 0.42), 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
}

function pointsOf(xyz, side, radius, turn) {
  const scale = side / 2 / radius;
  return Array.from({ length: xyz.length / 3 }, (_, i) => {
    const [x, y, depth] = rotated(turn, xyz.subarray(3 * i, 3 * i + 3));
    return { x: side / 2 + x * scale, y: side / 2 - y * scale, depth };
  });
}

function drawBonds(context, molecule, points) {
  for (const [i, j] of molecule.bonds) {
    context.beginPath();
    context.moveTo(points[i].x, points[i].y);
    context.lineTo(points[j].x, points[j].y);
    context.stroke();
  }
}
