/**
 * What the start event says about a molecule, in the shape the views need. Pure.
 *
 * @typedef {{element: string, name: string, residue: string, resnum: number, chain: string, token: number,
 *   kind: "protein" | "dna" | "rna" | "ligand" | "ion", standard: boolean, ribbon: boolean}} Atom
 *   standard: of one of the usual residues; ribbon: of a chain that can be drawn as one
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
  Cd: "#ffd98f",
  Se: "#ffa100",
  Br: "#a62929",
  I: "#940094",
};

/** "CL", "cl" -> "Cl". @param {string} symbol */
export const elementName = (symbol) => symbol.charAt(0).toUpperCase() + symbol.slice(1).toLowerCase();

/** @param {string} symbol */
export const elementColour = (symbol) => ELEMENT_COLOURS[elementName(symbol)] ?? "#c0c0c0";

const NUCLEIC = new Set(["dna", "rna"]);
const STANDARD = {
  protein: new Set(
    "ALA ARG ASN ASP CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL UNK".split(" "),
  ),
  dna: new Set("DA DC DG DT".split(" ")),
  rna: new Set("A C G U".split(" ")),
};
/** The atom that stands for a residue. */
const CENTRE = { protein: "CA", dna: "C1'", rna: "C1'" };
/** Residues in a row from which a ribbon says more than sticks. */
const RIBBON = 5;
/** Residues up to which a chain beside a ligand or an ion is shown for its atoms. */
const SITE = 20;

/**
 * Chains whose tokens are residues or nucleotides, which can be drawn as ribbons. A short peptide comes
 * with all its atoms, each its own token, and is drawn as the molecule it is.
 * @param {any[]} atoms @returns {Set<string>} chain ids
 */
function ribbons(atoms) {
  const ids = [...new Set(atoms.filter(({ kind }) => kind in CENTRE).map(({ chain }) => chain))];
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
    const kinds = new Map((start.chains ?? []).map(({ id, kind }) => [id, kind]));
    this.atoms = (start.atoms ?? []).map((atom, i) => {
      const kind = atom.kind ?? kinds.get(atom.chain) ?? "ligand";
      const residue = typeof atom.residue === "string" ? atom.residue : "UNK";
      return {
        element: elementName(atom.element),
        name: atom.name ?? "",
        residue,
        resnum: atom.resnum ?? (atom.residue_index > 0 || kind in CENTRE ? (atom.residue_index ?? 1) : 1),
        chain: atom.chain ?? "A",
        kind,
        token: atom.token ?? i,
        standard: STANDARD[kind]?.has(residue) ?? false,
        ribbon: false,
      };
    });
    const drawn = ribbons(this.atoms);
    for (const atom of this.atoms) atom.ribbon = drawn.has(atom.chain) && atom.kind in CENTRE;
    this.chains = [...new Set(this.atoms.map(({ chain }) => chain))];
    this.kinds = [...new Set(this.atoms.map(({ kind }) => kind))];
    /** of the atoms that are drawn in element colours */
    this.elements = this.#elements((atom) => !atom.ribbon);
    this.allElements = this.#elements(() => true);
    this.traces = this.#traces(({ kind }) => kind === "protein");
    this.strands = this.#traces(({ kind }) => NUCLEIC.has(kind));
    /** whether a ribbon is the natural way to draw it */
    this.folded = this.#folds();
    this.ribbon = this.traces.length + this.strands.length > 0;
    this.tokens = this.#tokens();
    /** @type {number[]} of every atom, its place among the tokens */
    this.tokenOf = [];
    this.tokens.forEach(({ atoms }, k) => atoms.forEach((i) => (this.tokenOf[i] = k)));
    this.diameter = this.#guessDiameter();
  }

  #elements(wanted) {
    return [...new Set(this.atoms.filter(wanted).map(({ element }) => element))];
  }

  /** Indices of the atoms that stand for the residues, one list per chain. */
  #traces(wanted) {
    const traces = new Map();
    this.atoms.forEach((atom, i) => {
      if (!atom.ribbon || !wanted(atom) || atom.name !== CENTRE[atom.kind]) return;
      traces.set(atom.chain, [...(traces.get(atom.chain) ?? []), i]);
    });
    return [...traces.values()];
  }

  /** Most residues stand in rows, and they are no mere surroundings of a ligand or an ion. */
  #folds() {
    const chains = [...this.traces, ...this.strands];
    const count = chains.flat().length;
    const inRows = chains.flatMap((trace) => this.#rows(trace)).filter((length) => length >= RIBBON);
    const site = this.strands.length === 0 && count <= SITE && this.kinds.some((kind) => !(kind in CENTRE));
    return inRows.reduce((sum, length) => sum + length, 0) > 0.6 * count && !site;
  }

  /** Lengths of the rows of consecutive residues. @param {number[]} trace */
  #rows(trace) {
    const rows = [];
    trace.forEach((i, k) => {
      const joined = k > 0 && this.atoms[i].resnum === this.atoms[trace[k - 1]].resnum + 1;
      if (joined) rows[rows.length - 1] += 1;
      else rows.push(1);
    });
    return rows;
  }

  /**
   * What the trunk calls tokens: residues, nucleotides, single atoms of everything else.
   * @returns {{atom: number, atoms: number[], chain: string, residue: string, resnum: number}[]} atom: the one that
   *   stands for it
   */
  #tokens() {
    const tokens = [];
    this.atoms.forEach(({ token, chain, residue, resnum, kind, name }, i) => {
      tokens[token] ??= { atom: i, atoms: [], chain, residue, resnum };
      tokens[token].atoms.push(i);
      if (name === CENTRE[kind]) tokens[token].atom = i;
    });
    return tokens.filter(Boolean);
  }

  /**
   * Expected size in Å before anything is known: for a protein the radius of gyration of a folded
   * chain, 2.2 N^0.38 (Skolnick et al. 1997), for a strand half its length as a helix, else a zigzag
   * along the longest path of bonds.
   */
  #guessDiameter() {
    const residues = this.traces.flat().length;
    const strand = Math.max(0, ...this.strands.map(({ length }) => length));
    if (residues + strand > 0) return Math.max(5.7 * residues ** 0.38, strand > 0 ? 14 + 2.2 * strand : 0);
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

  /** How an atom is called in sentences. @param {number} i */
  label(i) {
    const { name, residue, resnum, chain, kind } = this.atoms[i];
    const place = kind in CENTRE ? `${residue} ${resnum}` : residue;
    return { name, place, chain: this.chains.length > 1 ? chain : "" };
  }
}

/**
 * Centre and the radius that holds 97 % of the atoms, and the rest within 8 % more. @param {Float32Array} xyz (N, 3)
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
  // Stragglers of a cloud may lie outside, but nothing leaves the picture.
  const radius = distances[Math.floor(0.97 * (count - 1))] ?? 0;
  return { centre, radius: Math.max(radius, (distances.at(-1) ?? 0) / 1.08) };
}
