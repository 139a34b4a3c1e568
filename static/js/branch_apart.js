/** How far the ends of two tracks are apart. Pure: runs in, numbers out. */

import { decode, sampleOf } from "./decode.js";
import { superpose } from "./superpose.js";

/** @typedef {import("./run.js").Run} Run */

/** Radial frequencies in cycles per picture, as the settling curves part them. */
const BANDS = [
  ["low", 0, 2.5],
  ["middle", 2.5, 6.5],
];
const WIDEST = 6;

/**
 * Root mean square difference of two pictures of one size, whole and by bands of spatial frequency, in
 * percent of the range from black to white. The squares of the bands add up to the square of the whole.
 * @param {import("./decode.js").Decoded} a uint8 (h, h, 3) @param {import("./decode.js").Decoded} b
 * @returns {{whole: number, low: number, middle: number, high: number} | null} null if the sizes differ
 */
export function picturesApart(a, b) {
  const side = a.shape[0];
  if (a.values.length !== b.values.length || a.values.length !== side * side * 3) return null;
  const gap = Float64Array.from(a.values, (v, i) => (v - b.values[i]) / 255);
  const power = gap.reduce((sum, v) => sum + v * v, 0) / gap.length;
  const bands = Object.fromEntries(BANDS.map(([name]) => [name, 0]));
  for (let colour = 0; colour < 3; colour += 1) addBands(gap, side, colour, bands);
  const high = Math.max(0, power - bands.low - bands.middle);
  const percent = (v) => 100 * Math.sqrt(v);
  return { whole: percent(power), low: percent(bands.low), middle: percent(bands.middle), high: percent(high) };
}

/** Parseval: the mean square of the waves of each band, one direction after the other. */
function addBands(gap, side, colour, bands) {
  const waves = Array.from({ length: 2 * WIDEST + 1 }, (_, k) => k - WIDEST).filter((f) => -f < side / 2 && f < side / 2);
  const turn = (f, x) => (-2 * Math.PI * f * x) / side;
  const rows = waves.map((fx) => {
    const [re, im] = [new Float64Array(side), new Float64Array(side)];
    for (let x = 0; x < side; x += 1) {
      const [c, s] = [Math.cos(turn(fx, x)), Math.sin(turn(fx, x))];
      for (let y = 0; y < side; y += 1) {
        const value = gap[3 * (y * side + x) + colour];
        re[y] += value * c;
        im[y] += value * s;
      }
    }
    return [re, im];
  });
  waves.forEach((fx, i) => {
    for (const fy of waves) {
      const band = BANDS.find(([, from, to]) => Math.hypot(fx, fy) >= from && Math.hypot(fx, fy) < to);
      if (!band) continue;
      let [re, im] = [0, 0];
      for (let y = 0; y < side; y += 1) {
        const [c, s] = [Math.cos(turn(fy, y)), Math.sin(turn(fy, y))];
        re += rows[i][0][y] * c - rows[i][1][y] * s;
        im += rows[i][0][y] * s + rows[i][1][y] * c;
      }
      bands[band[0]] += (re * re + im * im) / side ** 4 / 3;
    }
  });
}

/** Root mean square distance of the particles from themselves. @param {ArrayLike<number>} a (P, 2) @param {ArrayLike<number>} b */
function cloudsApart(a, b) {
  if (a.length !== b.length) return null;
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum / (a.length / 2));
}

/**
 * @param {Run} a @param {Run} b both complete, of one pipeline @param {number} sample
 * @returns {{pictures: ReturnType<typeof picturesApart>} | {molecules: number} | {particles: number} | null}
 *   molecules: RMSD of all atoms in Å after the best rotation; null where they cannot be compared
 */
export function apart(a, b, sample) {
  if (!a.done?.sample || !b.done?.sample) return null;
  const ends = (rank) => [a, b].map(({ done }) => sampleOf(decode(done.sample), rank, sample));
  if (a.start?.atoms) {
    const [one, two] = ends(2);
    return one.values.length === two.values.length ? { molecules: superpose(two.values, one.values).rmsd } : null;
  }
  if (decode(a.done.sample).shape.at(-1) === 3) {
    const pictures = picturesApart(...ends(3));
    return pictures && { pictures };
  }
  const particles = cloudsApart(...[a, b].map(({ done }) => decode(done.sample).values));
  return particles === null ? null : { particles };
}
