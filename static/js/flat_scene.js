/** Atoms and bonds on a plain canvas, for browsers without WebGL. The same calls as scene3d.js. */

import { elementColour } from "./molecule.js";

export class FlatScene {
  /** @param {HTMLElement[]} wells */
  constructor(wells) {
    this.angles = [0.35, 0.25];
    this.placed = [null, null];
    this.canvases = wells.map((well) => {
      const canvas = document.createElement("canvas");
      canvas.className = "flat";
      well.append(canvas);
      well.tabIndex = 0;
      well.setAttribute("role", "img");
      well.addEventListener("pointermove", (event) => {
        if (event.buttons !== 1) return;
        this.angles[0] += event.movementX / 120;
        this.angles[1] += event.movementY / 120;
        this.render();
      });
      new ResizeObserver(() => this.render()).observe(well);
      return canvas;
    });
  }

  build(molecule, radius) {
    this.molecule = molecule;
    this.placed = [null, null];
    this.radius = radius;
  }

  place(which, xyz) {
    this.placed[which] = xyz;
  }

  fit(radius) {
    this.radius = radius;
    this.render();
  }

  clear() {
    this.placed = [null, null];
    this.render();
  }

  render() {
    this.canvases.forEach((canvas, which) => this.#draw(canvas, this.placed[which]));
  }

  get pixelsPerAngstrom() {
    return this.canvases[0].clientWidth / 2 / this.radius;
  }

  #draw(canvas, xyz) {
    const { clientWidth, clientHeight } = canvas.parentElement;
    const side = Math.round(Math.min(clientWidth, clientHeight) * devicePixelRatio);
    canvas.width = side;
    canvas.height = side;
    canvas.style.width = canvas.style.height = `${side / devicePixelRatio}px`;
    if (!xyz) return;
    const context = canvas.getContext("2d");
    const scale = side / 2 / this.radius;
    const [cy, sy, cx, sx] = [Math.cos(this.angles[0]), Math.sin(this.angles[0]), Math.cos(this.angles[1]), Math.sin(this.angles[1])];
    const points = this.molecule.atoms.map((_, i) => {
      const [x, y, z] = xyz.subarray(3 * i, 3 * i + 3);
      const [turned, depth] = [cy * x + sy * z, cy * z - sy * x];
      return { x: side / 2 + turned * scale, y: side / 2 - (cx * y - sx * depth) * scale, depth: sx * y + cx * depth };
    });
    context.lineWidth = Math.max(2, scale * 0.25);
    context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--line-strong");
    for (const [i, j] of this.molecule.bonds) {
      context.beginPath();
      context.moveTo(points[i].x, points[i].y);
      context.lineTo(points[j].x, points[j].y);
      context.stroke();
    }
    const order = points.map((_, i) => i).sort((a, b) => points[a].depth - points[b].depth);
    for (const i of order) {
      context.beginPath();
      context.fillStyle = elementColour(this.molecule.atoms[i].element);
      context.arc(points[i].x, points[i].y, Math.max(2, scale * 0.42), 0, 2 * Math.PI);
      context.fill();
      context.lineWidth = 1;
      context.stroke();
    }
  }

  restyle() {
    this.render();
  }
}
