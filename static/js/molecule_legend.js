/** What the colours mean, as a row under the molecule. */

import { legendOf } from "./molecule_colours.js";
import { t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {import("./molecule.js").Molecule} molecule @param {import("./molecule_look.js").Look} look
 * @param {ArrayLike<number> | null} plddt @returns {HTMLElement}
 */
export function legend(molecule, look, plddt) {
  const row = document.createElement("div");
  row.className = "legend";
  row.dataset.mode = look.mode;
  for (const entry of legendOf(molecule, look.mode, plddt)) {
    const item = document.createElement("span");
    if (entry.gradient) {
      const bar = Object.assign(document.createElement("span"), { className: "chain" });
      item.append(t("legend.first"), bar, t("legend.last"));
    } else item.append(patch(entry), entry.text);
    row.append(item);
  }
  return row;
}

/** A dot, or a stick as thick as it is drawn. */
function patch({ colour, stick }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 10 10");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(SVG, stick ? "rect" : "circle");
  const height = stick ? 40 * stick : 0;
  const places = stick
    ? { x: 0.3, y: 5 - height / 2, width: 9.4, height, rx: height / 2 }
    : { cx: 5, cy: 5, r: 4.4 };
  for (const [key, value] of Object.entries({ ...places, fill: colour })) shape.setAttribute(key, value);
  svg.append(shape);
  return svg;
}
