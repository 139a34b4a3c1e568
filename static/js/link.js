/**
 * The page's state in its address. Every key has a pattern; what does not fit it is left out and can be
 * said. Pictures are not in it: they are files. Keys that are not listed here belong to others and stay. Pure.
 *
 * @typedef {Partial<Record<keyof typeof FORMS, string>>} LinkState
 *   mode, prompt, to, molecule, kind, twins ("1": AlphaFold 2 beside 3), profile ("1": related sequences): what is asked;
 *   seed, steps, guidance, samples, preset, temperature, topk: its settings, "20,50" is one per pipeline;
 *   view, colour, turn, focus, sample, alone, tab: how it is looked at; u, speed, loop: the player;
 *   dye: the drop's shape and seed; hide: controls that are taken away; v: fingerprints of the weights it was made with
 */

/** What a link can take away, by the `data-part` of elements. */
export const PARTS = [
  "caption", "molecule", "examples", "seed", "settings", "run", "tools", "actions", "scores", "charts", "dye", "branch",
  "room", "lessons", "lab", "models", "language", "theme", "share", "save", "open",
];

const TYPED = /^[^]{0,8000}$/;
const NAME = /^[a-z0-9_]{1,24}$/;
const ON = /^1$/;
const WHOLE = /^\d{1,4}(,\d{1,4})?$/;
const REAL = /^\d{1,4}(\.\d{1,6})?(,\d{1,4}(\.\d{1,6})?)?$/;

const FORMS = {
  mode: /^(caption|direct|variations|interpolate|diff|compare)$/,
  prompt: TYPED,
  to: TYPED,
  molecule: TYPED,
  kind: /^(smiles|ccd|protein|dna|rna|fasta|json)$/,
  seed: /^\d{1,10}$/,
  steps: WHOLE,
  guidance: REAL,
  samples: WHOLE,
  temperature: REAL,
  topk: WHOLE,
  preset: /^published$/,
  twins: ON,
  profile: ON,
  view: /^(sticks|spheres|cartoon)$/,
  colour: /^(natural|element|chain|entity|plddt)$/,
  turn: /^-?[01](\.\d{1,4})?(,-?[01](\.\d{1,4})?){3}$/,
  focus: /^(estimate|noisy)$/,
  sample: /^[1-9]\d?(,[1-9]\d?)?$/,
  alone: ON,
  tab: NAME,
  speed: /^(0\.25|0\.5|1|2|4)$/,
  loop: ON,
  u: /^(0|1|0\.\d{1,6}|1\.0{1,6})$/,
  dye: /^[a-z0-9_]{1,24}(\.\d{1,10})?$/,
  theme: /^(light|dark|projector)$/,
  hide: new RegExp(`^(${PARTS.join("|")})(,(${PARTS.join("|")}))*$`),
  v: /^[0-9a-f]{8}(\.[0-9a-f]{8})?$/,
};
const KEYS = Object.keys(FORMS);

/** @param {string} search @returns {LinkState} */
export function readLink(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(
    KEYS.filter((key) => given.has(key) && FORMS[key].test(given.get(key))).map((key) => [key, given.get(key)]),
  );
}

/** What cannot be used. @param {string} search @returns {[string, string][]} key and value */
export function badOf(search) {
  const given = new URLSearchParams(search);
  return KEYS.filter((key) => given.has(key) && !FORMS[key].test(given.get(key))).map((key) => [key, given.get(key)]);
}

/** @param {LinkState} state @param {string} search what the address holds now: foreign keys stay @returns {string} */
export function writeLink(state, search = "") {
  const params = new URLSearchParams(search);
  for (const key of KEYS) {
    params.delete(key);
    if (state[key] !== undefined && state[key] !== "") params.set(key, state[key]);
  }
  return `?${params}`;
}

/** "20" or "20,50" -> one value per pipeline. @param {string | undefined} text @param {number} count */
export function perPipeline(text, count) {
  const values = (text ?? "").split(",").map(Number);
  return Array.from({ length: count }, (_, i) => {
    const value = values[i] ?? values[0];
    return Number.isFinite(value) && value > 0 ? value : undefined;
  });
}
