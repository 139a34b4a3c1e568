/**
 * What somebody typed into the molecule field: SMILES, a CCD code, a sequence, FASTA or JSON. Pure.
 *
 * The forms overlap ("CCO" is a SMILES string and could be a code), so the answer is a guess that the
 * page states and lets the visitor override.
 *
 * @typedef {"smiles" | "ccd" | "protein" | "dna" | "rna" | "fasta" | "json"} Kind
 */

/** @type {Kind[]} */
export const KINDS = ["smiles", "ccd", "protein", "dna", "rna", "fasta", "json"];

const SHORT = ["smiles", "ccd", "protein", "dna", "rna"];
const RESIDUES = /^[ACDEFGHIKLMNPQRSTVWYX]+$/;
const ORGANIC_SUBSET = /^[BCNOPSFI]+$/;
const CODE = /^[A-Z0-9]{1,3}$|^[A-Z0-9]{5}$/;
const IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The lines of pasted text; a field of one line shows their ends as ⏎. @param {string} text */
const linesOf = (text) => text.split(/[\n⏎]/).map((line) => line.trim());

/** A pasted FASTA entry or a sequence in blocks -> the letters. @param {string} text */
const sequenceOf = (text) =>
  linesOf(text)
    .filter((line) => !line.startsWith(">"))
    .join("")
    .replace(/[\s\d*]/g, "")
    .toUpperCase();

/** Entries of a FASTA text, the letters of each. @param {string} text */
function entriesOf(text) {
  const entries = [];
  for (const line of linesOf(text)) {
    if (line.startsWith(">") || entries.length === 0) entries.push("");
    if (!line.startsWith(">")) entries[entries.length - 1] += sequenceOf(line);
  }
  return entries.filter(Boolean);
}

/** Which polymer letters spell: U is in RNA only, T among A, C and G means DNA. @param {string} letters upper case */
function polymerOf(letters) {
  if (/^[ACGU]+$/.test(letters) && letters.includes("U")) return "rna";
  return /^[ACGT]+$/.test(letters) ? "dna" : "protein";
}

/** @param {string} text @returns {Kind | null} null when there is nothing to judge */
export function guessKind(text) {
  const typed = text.trim();
  if (typed === "") return null;
  if (/^[{[]\s*["{[]/.test(typed) && !/^\[[A-Z]/.test(typed)) return "json";
  if (typed.startsWith(">")) return entriesOf(typed).length > 1 ? "fasta" : polymerOf(sequenceOf(typed));
  if (/[\n⏎]/.test(typed)) return polymerOf(sequenceOf(typed));
  const letters = typed.replace(/\s/g, "");
  // "CCO" is a chain; in "CFF" an atom with a single bond stands in the middle, so it is a code.
  if (ORGANIC_SUBSET.test(letters) && !/^.+[FI].+$/.test(letters)) return "smiles";
  if (CODE.test(letters) && (letters.length <= 3 || /\d/.test(letters))) return "ccd";
  // Spaces end a SMILES string, but sequences are often pasted in blocks of ten.
  const upper = letters.toUpperCase();
  const nucleic = letters.length >= 4 && polymerOf(upper);
  if (nucleic && nucleic !== "protein") return nucleic;
  if (RESIDUES.test(upper) && /[ADEGHKLMQRTVWY]/i.test(letters) && letters.length >= 4) {
    const lower = /[a-z]/.test(letters);
    if (!lower || letters === letters.toLowerCase()) {
      if (!lower || !/^[bcnops]+$/.test(letters)) return "protein";
    }
  }
  return "smiles";
}

/** Letters of a sequence, chains of a FASTA text. @param {string} text @param {Kind | null} kind */
export const countOf = (text, kind) => (kind === "fasta" ? entriesOf(text).length : sequenceOf(text).length);

/**
 * The `input` of a run. @param {string} text @param {Kind} kind @returns {object}
 * @throws {SyntaxError} when the kind is "json" and the text is not
 */
export function inputOf(text, kind) {
  const typed = text.trim();
  if (kind === "json") return JSON.parse(typed);
  if (kind === "ccd") return { ccd: typed.toUpperCase() };
  if (kind === "smiles") return { smiles: typed };
  if (kind === "fasta") {
    const chain = (sequence, k) => ({ [polymerOf(sequence)]: { id: IDS[k % IDS.length], sequence } });
    return { sequences: entriesOf(typed).map(chain) };
  }
  return { [kind]: sequenceOf(typed) };
}

/** Keys that say what the molecule is; related sequences are switched on elsewhere. @param {any} input */
const named = (input) => Object.keys(input ?? {}).filter((key) => key !== "profile");

/** The text that stands for an `input`, the inverse of {@link inputOf}. @param {any} input */
export function textOf(input) {
  const [kind, ...others] = named(input);
  if (SHORT.includes(kind) && others.length === 0 && typeof input[kind] === "string") return input[kind];
  return JSON.stringify(input);
}

/** The kind of an `input`. @param {any} input @returns {Kind} */
export function kindOf(input) {
  const [kind, ...others] = named(input);
  return others.length === 0 && SHORT.includes(kind) ? kind : "json";
}
