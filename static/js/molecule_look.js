/** How molecules are drawn: sticks, spheres or ribbons, in which colours. Pure but for the catalogue. */

import { bandOf, coloursOf, modesOf } from "./molecule_colours.js";

/** @typedef {"sticks" | "spheres" | "cartoon"} Style */
/** @typedef {{style: Style, mode: import("./molecule_colours.js").Mode, colours: string[], widths: number[] | null}} Look */
/** widths: Å of the sticks, one per atom */

/** @type {Style[]} */
export const STYLES = ["sticks", "spheres", "cartoon"];

const STICK = 0.16; // Å
const TRACE = 0.2; // of a backbone, which has fewer atoms

/** Styles that this molecule can be drawn in. @param {import("./molecule.js").Molecule} molecule */
export const stylesOf = (molecule) => STYLES.filter((style) => style !== "cartoon" || molecule.ribbon);

/**
 * What was wished for, as far as this molecule allows it.
 * @param {import("./molecule.js").Molecule} molecule
 * @param {{style?: string | null, colour?: string | null}} wanted @param {ArrayLike<number> | null} plddt per atom
 * @returns {Look}
 */
export function lookOf(molecule, wanted, plddt) {
  const natural = molecule.folded ? "cartoon" : "sticks";
  const style = stylesOf(molecule).includes(wanted.style) ? wanted.style : natural;
  const mode = modesOf(molecule, plddt !== null).includes(wanted.colour) ? wanted.colour : "natural";
  const widths = mode === "plddt" ? Array.from(plddt, (value) => bandOf(value).stick) : null;
  return { style, mode, colours: coloursOf(molecule, mode, plddt), widths };
}

/**
 * The 3-D viewer's words for one atom. @param {import("./molecule.js").Molecule} molecule @param {Look} look
 * @param {number} i atom @param {boolean} ribbons whether ribbons may be drawn @param {number} shrink how much smaller
 *   than life the molecule is drawn @returns {object}
 */
export function styleOf(molecule, look, i, ribbons, shrink) {
  const atom = molecule.atoms[i];
  if (atom.kind === "ion") return { sphere: { scale: Math.max(0.55 * shrink, 0.2) } };
  if (look.style === "spheres") return { sphere: { scale: Math.max(shrink, 0.25) } };
  const backbone = atom.ribbon && atom.kind === "protein";
  const radius = look.widths?.[i] ?? (backbone ? TRACE : STICK);
  const sticks = backbone ? { stick: { radius } } : { stick: { radius }, sphere: { scale: Math.min(0.25, 1.5 * radius) } };
  if (look.style !== "cartoon" || !ribbons || !atom.ribbon) return sticks;
  const ribbon = { cartoon: { thickness: 0.5, arrows: true } };
  // A modified residue is part of the ribbon and told from the others by its atoms.
  return atom.standard ? ribbon : { ...ribbon, ...sticks };
}
