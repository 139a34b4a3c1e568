/** Distances between a molecule's tokens: matrices, thinning, and what can be said about them. Pure. */

export const NEAR = 8; // Å: pairs nearer than this count as neighbours
export const FAR = 24; // Å: from here on a cell is as light as it gets
export const OFF = 4; // Å: from here on a difference is as strong as it gets
const MOST = 128; // rows

/**
 * @typedef {{size: number, values: Float32Array}} Matrix size x size, row by row
 */

/** Tokens to show: every k-th when there are many. @param {number} count @returns {number[]} */
export function thinned(count) {
  const stride = Math.ceil(count / MOST);
  return Array.from({ length: Math.ceil(count / stride) }, (_, k) => k * stride);
}

/** @param {ArrayLike<number>} xyz (N, 3) @param {number[]} atoms one per row @returns {Matrix} Å */
export function distancesOf(xyz, atoms) {
  const size = atoms.length;
  const values = new Float32Array(size * size);
  for (let i = 0; i < size; i += 1) {
    const a = 3 * atoms[i];
    for (let j = i + 1; j < size; j += 1) {
      const b = 3 * atoms[j];
      const d = Math.hypot(xyz[a] - xyz[b], xyz[a + 1] - xyz[b + 1], xyz[a + 2] - xyz[b + 2]);
      values[i * size + j] = d;
      values[j * size + i] = d;
    }
  }
  return { size, values };
}

/** Chosen rows and columns. @param {ArrayLike<number>} values (T, T) @param {number} count T @param {number[]} rows @returns {Matrix} */
export function chosenOf(values, count, rows) {
  const chosen = new Float32Array(rows.length ** 2);
  rows.forEach((i, k) => rows.forEach((j, l) => (chosen[k * rows.length + l] = values[i * count + j])));
  return { size: rows.length, values: chosen };
}

/** @param {Matrix} a @param {Matrix} b @returns {Matrix} absolute differences */
export const gapOf = (a, b) => ({ size: a.size, values: a.values.map((v, i) => Math.abs(v - b.values[i])) });

/** Mean above the diagonal. @param {Matrix} matrix */
export function meanOf({ size, values }) {
  let sum = 0;
  for (let i = 0; i < size; i += 1) for (let j = i + 1; j < size; j += 1) sum += values[i * size + j];
  return sum / Math.max(1, (size * (size - 1)) / 2);
}

/** Pairs that are near in every one of the matrices. @param {Matrix[]} matrices */
export function nearPairs(...matrices) {
  const [{ size }] = matrices;
  let count = 0;
  for (let i = 0; i < size; i += 1)
    for (let j = i + 1; j < size; j += 1) if (matrices.every(({ values }) => values[i * size + j] < NEAR)) count += 1;
  return count;
}

/**
 * As pixels. @param {Matrix} matrix @param {number} most Å @param {number[]} from colour of 0 @param {number[]} to of `most`
 * @returns {Uint8ClampedArray} RGBA
 */
export function painted({ size, values }, most, from, to) {
  const pixels = new Uint8ClampedArray(4 * size * size);
  for (let i = 0; i < values.length; i += 1) {
    const part = Math.sqrt(Math.min(values[i] / most, 1)); // the near ones are told apart best
    for (let k = 0; k < 3; k += 1) pixels[4 * i + k] = from[k] + (to[k] - from[k]) * part;
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}
