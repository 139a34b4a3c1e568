/** Which atom the pointer is on, its label, and rings around atoms that something else points at. */

const SVG = "http://www.w3.org/2000/svg";
const REACH = 16; // pixels
const SURE = 6; // within this, the nearer to the eye wins

/**
 * The atom at a place, null if none is near. @param {{x: number, y: number, depth: number}[]} points
 * @param {number} x @param {number} y @param {(i: number) => boolean} wanted @returns {number | null}
 */
export function atomAt(points, x, y, wanted) {
  let best = null;
  let least = Infinity;
  points.forEach((point, i) => {
    const away = Math.hypot(point.x - x, point.y - y);
    if (away > REACH || !wanted(i)) return;
    const cost = Math.max(away, SURE) - 0.2 * point.depth;
    if (cost < least) [best, least] = [i, cost];
  });
  return best;
}

export class AtomMarks {
  /**
   * @param {HTMLElement[]} wells
   * @param {{screen: (which: number) => {x: number, y: number, depth: number}[] | null, label: (i: number) => string,
   *   wanted: (i: number) => boolean, pointed: (i: number | null) => void}} on pointed: the atom under the pointer
   */
  constructor(wells, on) {
    this.wells = wells;
    this.on = on;
    /** @type {number[]} */
    this.marked = [];
    this.under = null;
    this.sheets = wells.map((well) => {
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("class", "marks");
      svg.setAttribute("aria-hidden", "true");
      well.append(svg);
      return svg;
    });
    this.tips = wells.map((well) => {
      const tip = Object.assign(document.createElement("p"), { className: "atom-tip", hidden: true });
      tip.setAttribute("aria-hidden", "true");
      well.append(tip);
      return tip;
    });
    wells.forEach((well, which) => {
      const look = (event) => this.#look(which, event);
      well.addEventListener("pointermove", look);
      well.addEventListener("click", look);
      well.addEventListener("pointerleave", () => this.pick(which, null));
    });
  }

  #look(which, event) {
    if (event.buttons > 0) return this.pick(which, null);
    const points = this.on.screen(which);
    if (!points) return undefined;
    const { left, top } = this.wells[which].getBoundingClientRect();
    return this.pick(which, atomAt(points, event.clientX - left, event.clientY - top, this.on.wanted));
  }

  /** An atom is pointed at. @param {number} which well @param {number | null} atom */
  pick(which, atom) {
    if (atom === this.under && (atom === null || !this.tips[which].hidden)) return;
    this.under = atom;
    this.tips.forEach((tip, k) => (tip.hidden = atom === null || k !== which));
    if (atom !== null) this.tips[which].textContent = this.on.label(atom);
    this.on.pointed(atom);
    this.draw();
  }

  /** Rings around atoms, a line between two. @param {number[]} atoms */
  mark(atoms) {
    this.marked = atoms;
    this.draw();
  }

  /** The molecule or the camera has moved. */
  draw() {
    const shown = this.under === null ? this.marked : [this.under];
    this.sheets.forEach((sheet, which) => {
      const points = shown.length > 0 ? this.on.screen(which) : null;
      const places = points ? shown.map((i) => points[i]).filter(Boolean) : [];
      const shapes = places.map(({ x, y }) => shape("circle", { cx: x, cy: y, r: 9 }));
      if (places.length === 2)
        shapes.unshift(shape("line", { x1: places[0].x, y1: places[0].y, x2: places[1].x, y2: places[1].y }));
      sheet.replaceChildren(...shapes);
      const tip = this.tips[which];
      if (tip.hidden || !places[0]) return;
      const { clientWidth: width, clientHeight: height } = this.wells[which];
      const [x, y] = [places[0].x, places[0].y];
      tip.style.left = `${Math.min(Math.max(x + 12, 4), Math.max(4, width - tip.offsetWidth - 4))}px`;
      tip.style.top = `${Math.min(Math.max(y - tip.offsetHeight - 10, 4), height - tip.offsetHeight - 4)}px`;
    });
  }
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
