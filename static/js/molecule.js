/**
 * What the start event says about a molecule, in the shape the views need. Pure.
 *
 * @typedef {{element: string, name: string, residue: string, resnum: number, chain: string}} Atom
 */

/** Jmol/CPK colours as Mol* uses them. */
const ELEMENT_COLOURS = {
  H: "#ffffff",
  B: "#ffb5b5",
  C: "#909090",
  N: "#3050f8",
  O: "#ff0d0d",
  F: "#90e050",
  Na: "#ab5cf2",
  Mg: "#8aff00",
  Si: "#f0c8a0",
  P: "#ff8000",
  S: "#ffff30",
  Cl: "#1ff01f",
  K: "#8f40d4",
  Ca: "#3dff00",
  Mn: "#9c7ac7",
  Fe: "#e06633",
  Co: "#f090a0",
  Ni: "#50d050",
  Cu: "#c88033",
  Zn: "#7d80b0",
  Se: "#ffa100",
  Br: "#a62929",
  I: "#940094",
};

/** "CL", "cl" -> "Cl". @param {string} symbol */
export const elementName = (symbol) => symbol.charAt(0).toUpperCase() + symbol.slice(1).toLowerCase();

/** @param {string} symbol */
export const elementColour = (symbol) => ELEMENT_COLOURS[elementName(symbol)] ?? "#c0c0c0";

/**
 * Chains that are drawn as proteins: those whose tokens are residues. A short peptide comes with all its
 * atoms, each its own token, and is drawn as the molecule it is.
 * @param {any} start @returns {Set<string>} chain ids
 */
function backbones({ chains = [], atoms = [] }) {
  const ids = chains.filter(({ kind }) => kind === "protein").map(({ id }) => id);
  return new Set(
    ids.filter((id) => {
      const own = atoms.filter(({ chain }) => chain === id);
      return new Set(own.map(({ token }) => token)).size < own.length;
    }),
  );
}

export class Molecule {
  /** @param {any} start data of the start event */
  constructor(start) {
    /** @type {[number, number, number][]} from the input graph, never from distances */
    this.bonds = start.bonds ?? [];
    const proteins = backbones(start);
    this.atoms = (start.atoms ?? []).map((atom) => ({
      element: elementName(atom.element),
      name: atom.name ?? "",
      residue: typeof atom.residue === "string" ? atom.residue : "UNK",
      resnum: atom.resnum ?? atom.residue_index ?? 1,
      chain: atom.chain ?? "A",
      protein: proteins.has(atom.chain),
    }));
    this.protein = this.atoms.some(({ protein }) => protein);
    /** of the atoms that are drawn in element colours */
    this.elements = [...new Set(this.atoms.filter((atom) => !atom.protein).map(({ element }) => element))];
    this.traces = this.#traces();
    this.diameter = this.#guessDiameter();
  }

  /** Indices of the C-alpha atoms, one list per protein chain. */
  #traces() {
    const traces = new Map();
    this.atoms.forEach(({ protein, name, chain }, i) => {
      if (protein && name === "CA") traces.set(chain, [...(traces.get(chain) ?? []), i]);
    });
    return [...traces.values()];
  }

  /**
   * Expected size in Å before anything is known: for a protein the radius of gyration of a folded
   * chain, 2.2 N^0.38 (Skolnick et al. 1997), else a zigzag along the longest path of bonds.
   */
  #guessDiameter() {
    const residues = this.traces.flat().length;
    if (residues > 0) return 2.6 * 2.2 * residues ** 0.38;
    const neighbours = this.atoms.map(() => []);
    for (const [i, j] of this.bonds) {
      neighbours[i].push(j);
      neighbours[j].push(i);
    }
    const furthest = (from) => {
      const depth = new Map([[from, 0]]);
      let last = from;
      for (const atom of depth.keys()) {
        last = atom;
        for (const next of neighbours[atom]) if (!depth.has(next)) depth.set(next, depth.get(atom) + 1);
      }
      return [last, depth.get(last)];
    };
    if (this.atoms.length === 0) return 3;
    const [end] = furthest(0);
    return Math.max(3, Math.min(1.15 * furthest(end)[1] + 2, 3.4 * this.atoms.length ** 0.6));
  }
}

/**
 * Centre and the radius that holds 97 % of the atoms. @param {Float32Array} xyz (N, 3)
 * @returns {{centre: [number, number, number], radius: number}}
 */
export function extent(xyz) {
  const count = xyz.length / 3;
  const centre = [0, 0, 0];
  for (let i = 0; i < xyz.length; i += 1) centre[i % 3] += xyz[i] / count;
  const distances = [];
  for (let i = 0; i < xyz.length; i += 3) {
    distances.push(Math.hypot(xyz[i] - centre[0], xyz[i + 1] - centre[1], xyz[i + 2] - centre[2]));
  }
  distances.sort((a, b) => a - b);
  return { centre, radius: distances[Math.floor(0.97 * (count - 1))] ?? 0 };
}
