/**
 * The page's state in its address: ?mode=&prompt=&to=&molecule=&kind=&seed=&steps=&guidance=&samples=&preset=
 * &twins=&profile=&view=&colour=&theme=. Pictures are not in it: they are files. Pure.
 *
 * @typedef {{mode?: string, prompt?: string, to?: string, molecule?: string, kind?: string, seed?: string,
 *   steps?: string, guidance?: string, samples?: string, preset?: string, twins?: string, profile?: string,
 *   view?: string, colour?: string, theme?: string}} LinkState preset: "published"; twins: "1" for AlphaFold 2 beside 3; profile: "1" for related sequences;
 *   view: how molecules are drawn
 */

const KEYS = [
  "mode", "prompt", "to", "molecule", "kind", "seed", "steps", "guidance", "samples", "preset", "twins", "profile", "view", "colour",
  "theme",
];

/** @param {string} search @returns {LinkState} */
export function readLink(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(KEYS.filter((key) => given.has(key)).map((key) => [key, given.get(key)]));
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
