/**
 * Helix or strand from the C-alpha trace alone, so that a cartoon can form while a chain settles. Pure.
 * Distance criteria of P-SEA (Labesse et al. 1997): between residues i and i+2, i+3, i+4.
 *
 * @typedef {[number, number, number]} Point Å
 */

const HELIX = [
  [5.5, 0.5],
  [5.3, 0.5],
  [6.4, 0.6],
];
const STRAND = [
  [6.7, 0.6],
  [9.9, 0.9],
  [12.4, 1.1],
];
const SHORTEST = { h: 5, s: 3 };

/** @param {Point} a @param {Point} b */
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/**
 * @param {Point[]} trace C-alpha positions of one unbroken chain
 * @returns {("h" | "s" | "c")[]} one letter per residue
 */
export function secondaryStructure(trace) {
  const letters = trace.map(() => "c");
  const matches = (i, pattern) =>
    i + 4 < trace.length &&
    pattern.every(([mean, width], k) => Math.abs(distance(trace[i], trace[i + 2 + k]) - mean) <= width);
  for (const [letter, pattern] of [
    ["s", STRAND],
    ["h", HELIX],
  ]) {
    for (let i = 0; i < trace.length; i += 1) {
      if (matches(i, pattern)) letters.fill(letter, i, i + 5);
    }
  }
  let begin = 0;
  for (let i = 1; i <= letters.length; i += 1) {
    if (letters[i] === letters[begin]) continue;
    if (i - begin < (SHORTEST[letters[begin]] ?? 0)) letters.fill("c", begin, i);
    begin = i;
  }
  return letters;
}

/**
 * One letter per atom, null for what has no ribbon. @param {import("./molecule.js").Molecule} molecule
 * @param {ArrayLike<number>} xyz (N, 3) @returns {string[] | null}
 */
export function structureOf(molecule, xyz) {
  if (!molecule.ribbon) return null;
  const letters = new Array(molecule.atoms.length).fill("c");
  for (const trace of molecule.traces) {
    const found = secondaryStructure(trace.map((i) => [xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]]));
    const byResidue = new Map(trace.map((i, k) => [molecule.atoms[i].resnum, found[k]]));
    const { chain } = molecule.atoms[trace[0]];
    molecule.atoms.forEach((atom, i) => {
      if (atom.chain === chain) letters[i] = byResidue.get(atom.resnum) ?? "c";
    });
  }
  return letters;
}
