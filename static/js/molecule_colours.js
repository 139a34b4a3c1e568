/** Which colour an atom has, and what the legend says about it. Pure but for the catalogue. */

import { elementColour } from "./molecule.js";
import { knows, number, percent, t } from "./text.js";

/** @typedef {"natural" | "element" | "chain" | "entity" | "plddt"} Mode */
/** natural: ribbons from first to last residue, everything else by element. @type {Mode[]} */
export const MODES = ["natural", "element", "chain", "entity", "plddt"];

/** Okabe and Ito's colours for all kinds of colour vision, without black. */
const CHAIN_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b3a400", "#8c6bb1"];
const ENTITY_COLOURS = { protein: "#0072b2", dna: "#cc79a7", rna: "#d55e00", ligand: "#009e73", ion: "#8c6bb1" };

/**
 * AlphaFold's bands of predicted lDDT, surest first. stick: Å, so that thick is sure and thin is not
 * for those who do not tell the colours apart.
 */
export const BANDS = [
  { above: 90, colour: "#0053d6", key: "very_high", stick: 0.24 },
  { above: 70, colour: "#65cbf3", key: "high", stick: 0.17 },
  { above: 50, colour: "#ffdb13", key: "low", stick: 0.11 },
  { above: -Infinity, colour: "#ff7d45", key: "very_low", stick: 0.06 },
];
const NO_SCORE = "#aaaaaa";

/** @param {number} value 0 to 100 */
export const bandOf = (value) => BANDS.find(({ above }) => value > above) ?? BANDS[3];

/** Modes that say something about this molecule. @param {import("./molecule.js").Molecule} molecule @param {boolean} scored */
export function modesOf(molecule, scored) {
  const useful = {
    natural: true,
    element: molecule.ribbon,
    chain: molecule.chains.length > 1,
    entity: molecule.kinds.length > 1,
    plddt: scored,
  };
  return MODES.filter((mode) => useful[mode]);
}

/**
 * @param {import("./molecule.js").Molecule} molecule @param {Mode} mode
 * @param {ArrayLike<number> | null} plddt per atom, 0 to 100
 * @returns {string[]} one colour per atom
 */
export function coloursOf(molecule, mode, plddt) {
  const { atoms } = molecule;
  if (mode === "plddt") return atoms.map((_, i) => (plddt ? bandOf(plddt[i]).colour : NO_SCORE));
  if (mode === "chain") return atoms.map(({ chain }) => chainColour(molecule, chain));
  if (mode === "entity") return atoms.map(({ kind }) => ENTITY_COLOURS[kind] ?? NO_SCORE);
  if (mode === "element") return atoms.map(({ element }) => elementColour(element));
  const places = new Map();
  for (const trace of [...molecule.traces, ...molecule.strands])
    trace.forEach((i, k) => places.set(`${atoms[i].chain}/${atoms[i].resnum}`, k / Math.max(1, trace.length - 1)));
  return atoms.map(({ ribbon, chain, resnum, element }) =>
    ribbon ? along(places.get(`${chain}/${resnum}`) ?? 0) : elementColour(element),
  );
}

const chainColour = (molecule, chain) => CHAIN_COLOURS[molecule.chains.indexOf(chain) % CHAIN_COLOURS.length];

/** From the first residue to the last: green to blue-violet, so that the chain can be followed. @param {number} part 0..1 */
function along(part) {
  const from = [0x1f, 0xa1, 0x5a];
  const to = [0x2f, 0x4b, 0xb8];
  return `#${from.map((start, i) => Math.round(start + (to[i] - start) * part).toString(16).padStart(2, "0")).join("")}`;
}

/**
 * @typedef {{colour: string, text: string, stick?: number} | {gradient: true}} Entry a patch and what it means
 */
/**
 * What the legend lists. @param {import("./molecule.js").Molecule} molecule @param {Mode} mode
 * @param {ArrayLike<number> | null} plddt @returns {Entry[]}
 */
export function legendOf(molecule, mode, plddt) {
  if (mode === "plddt") return bandEntries(plddt);
  if (mode === "chain")
    return molecule.chains.map((chain) => ({
      colour: chainColour(molecule, chain),
      text: t("legend.chain", { chain, kind: t(`entity.${molecule.atoms.find((a) => a.chain === chain).kind}`) }),
    }));
  if (mode === "entity")
    return molecule.kinds.map((kind) => ({ colour: ENTITY_COLOURS[kind] ?? NO_SCORE, text: t(`entity.${kind}`) }));
  const elements = mode === "element" ? molecule.allElements : molecule.elements;
  const entries = elements.map((element) => ({
    colour: elementColour(element),
    text: knows(`element.${element}`) ? t(`element.${element}`) : element,
  }));
  return mode === "natural" && molecule.ribbon ? [{ gradient: true }, ...entries] : entries;
}

/** The bands with the share of the atoms in each: the numbers stand for the colours. */
function bandEntries(plddt) {
  return BANDS.map((band) => {
    const inside = plddt ? Array.from(plddt).filter((value) => bandOf(value) === band).length / plddt.length : 0;
    const share = percent(inside, number(100 * inside));
    return { colour: band.colour, stick: band.stick, text: t(`plddt.${band.key}`, { share }) };
  });
}

/** Mean of the predicted lDDT. @param {ArrayLike<number>} values */
export const meanOf = (values) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
