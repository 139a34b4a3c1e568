/**
 * What is asked of the picture model: a caption, with the prior or directly without it, variations, a path
 * between two ends, a change in words, or one caption for both DALL·Es. Pure.
 *
 * An *end* is a caption or a held picture. Where a picture is wanted but none is held, the caption stands
 * for the picture that the model would draw of it.
 *
 * @typedef {{ref: {picture: string} | {run: string, sample: number} | {image: object}, name: string,
 *   image: import("./decode.js").WireArray}} Held  ref: what the server is told; image: what is shown
 * @typedef {{text: string, held: Held | null}} End
 * @typedef {"caption" | "direct" | "variations" | "interpolate" | "diff" | "compare"} Mode
 * @typedef {{mode: Mode, from: End, to: End}} Asked
 */

/** @type {Mode[]} */
export const MODES = ["caption", "direct", "variations", "interpolate", "diff", "compare"];

/** Samples that a mode needs to show anything, and what it starts with. */
export const SAMPLES = { variations: 4, interpolate: 6, diff: 5 };

/** Modes with a second field. @param {Mode} mode */
export const hasTwo = (mode) => mode === "interpolate" || mode === "diff";

/** Whether a picture may stand in the first or second field. @param {Mode} mode @param {"from" | "to"} which */
export const holdsPicture = (mode, which) =>
  mode === "variations" || mode === "interpolate" || (mode === "diff" && which === "from");

/** @returns {End} */
export const emptyEnd = () => ({ text: "", held: null });

/** @param {End} end */
const endOf = ({ text, held }) => (held ? held.ref : { prompt: text });

/** The `input` of a run. @param {Asked} asked */
export function inputOf({ mode, from, to }) {
  if (mode === "variations") return { variation_of: endOf(from) };
  if (mode === "interpolate") return { interpolate: { from: endOf(from), to: endOf(to) } };
  if (mode === "diff") {
    const words = { from: from.text, to: to.text };
    return { diff: from.held ? { of: from.held.ref, ...words } : words };
  }
  return mode === "direct" ? { prompt: from.text, prior: false } : { prompt: from.text };
}

/** The inverse, as far as it is words: pictures in an input stay behind. @param {any} input @returns {Asked} */
export function askedOf(input) {
  const words = (end) => ({ text: end?.prompt ?? "", held: null });
  if (input?.variation_of) return { mode: "variations", from: words(input.variation_of), to: emptyEnd() };
  if (input?.interpolate)
    return { mode: "interpolate", from: words(input.interpolate.from), to: words(input.interpolate.to) };
  if (input?.diff)
    return { mode: "diff", from: { text: input.diff.from, held: null }, to: { text: input.diff.to, held: null } };
  const mode = input?.prior === false ? "direct" : "caption";
  return { mode, from: { text: input?.prompt ?? "", held: null }, to: emptyEnd() };
}

/** Which field a refusal is about. @param {string} field dotted path @returns {"from" | "to"} */
export const blamed = (field) => (/\.to(\.|$)/.test(field) ? "to" : "from");

/** A caption or name for an input, for labels. @param {any} input */
export function captionOf(input) {
  const { mode, from, to } = askedOf(input);
  return hasTwo(mode) ? [from.text, to.text].filter(Boolean).join(" → ") : from.text;
}

/**
 * A picture reduced to `side` pixels by averaging whole blocks: what CLIP looks at.
 * @param {{shape: number[], values: Uint8Array}} picture (h, w, 3) @param {number} side
 * @returns {{shape: number[], values: Uint8Array}} the picture itself if it has no whole blocks
 */
export function reduced({ shape, values }, side = 32) {
  const [height, width] = shape;
  const block = height / side;
  if (height !== width || block <= 1 || !Number.isInteger(block)) return { shape, values };
  const small = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y += 1)
    for (let x = 0; x < side; x += 1)
      for (let c = 0; c < 3; c += 1) {
        let sum = 0;
        for (let i = 0; i < block; i += 1)
          for (let j = 0; j < block; j += 1) sum += values[((y * block + i) * width + x * block + j) * 3 + c];
        small[(y * side + x) * 3 + c] = Math.round(sum / block ** 2);
      }
  return { shape: [side, side, 3], values: small };
}
