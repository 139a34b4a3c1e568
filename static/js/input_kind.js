/**
 * What somebody typed into the molecule field: SMILES, a CCD code, a protein sequence or JSON. Pure.
 *
 * The forms overlap ("CCO" is a SMILES string and could be a code), so the answer is a guess that the
 * page states and lets the visitor override.
 *
 * @typedef {"smiles" | "ccd" | "protein" | "dna" | "rna" | "json"} Kind
 */

/** @type {Kind[]} */
export const KINDS = ["smiles", "ccd", "protein", "json"];

const RESIDUES = /^[ACDEFGHIKLMNPQRSTVWYX]+$/;
const ORGANIC_SUBSET = /^[BCNOPSFI]+$/;
const CODE = /^[A-Z0-9]{1,3}$|^[A-Z0-9]{5}$/;

/** A pasted FASTA entry or a sequence in blocks -> the letters. @param {string} text */
const sequenceOf = (text) =>
  text
    .replace(/^>.*$/gm, "")
    .replace(/[\s\d*]/g, "")
    .toUpperCase();

/** @param {string} text @returns {Kind | null} null when there is nothing to judge */
export function guessKind(text) {
  const typed = text.trim();
  if (typed === "") return null;
  if (/^[{[]\s*["{[]/.test(typed) && !/^\[[A-Z]/.test(typed)) return "json";
  if (typed.startsWith(">") || /\n/.test(typed)) return "protein";
  const letters = typed.replace(/\s/g, "");
  // "CCO" is a chain; in "CFF" an atom with a single bond stands in the middle, so it is a code.
  if (ORGANIC_SUBSET.test(letters) && !/^.+[FI].+$/.test(letters)) return "smiles";
  if (CODE.test(letters) && (letters.length <= 3 || /\d/.test(letters))) return "ccd";
  // Spaces end a SMILES string, but sequences are often pasted in blocks of ten.
  if (RESIDUES.test(letters.toUpperCase()) && /[ADEGHKLMQRTVWY]/i.test(letters) && letters.length >= 4) {
    const lower = /[a-z]/.test(letters);
    if (!lower || letters === letters.toLowerCase()) {
      if (!lower || !/^[bcnops]+$/.test(letters)) return "protein";
    }
  }
  return "smiles";
}

/**
 * The `input` of a run. @param {string} text @param {Kind} kind @returns {object}
 * @throws {SyntaxError} when the kind is "json" and the text is not
 */
export function inputOf(text, kind) {
  const typed = text.trim();
  if (kind === "json") return JSON.parse(typed);
  if (kind === "ccd") return { ccd: typed.toUpperCase() };
  if (kind === "smiles") return { smiles: typed };
  return { [kind]: sequenceOf(typed) };
}

/** The text that stands for an `input`, the inverse of {@link inputOf}. @param {any} input */
export function textOf(input) {
  for (const kind of ["smiles", "ccd", "protein", "dna", "rna"]) {
    if (typeof input?.[kind] === "string" && Object.keys(input).length === 1) return input[kind];
  }
  return JSON.stringify(input);
}

/** The kind of an `input`. @param {any} input @returns {Kind} */
export function kindOf(input) {
  const keys = Object.keys(input ?? {});
  return keys.length === 1 && ["smiles", "ccd", "protein", "dna", "rna"].includes(keys[0]) ? keys[0] : "json";
}
