/** From which noise level on one pixel or one atom of the guess stays where it ends. Pure. */

/** A pixel has settled when no colour is further off than this, of the range from black to white. */
export const PIXEL_OFF = 0.1;
/** An atom has settled when its distances to the others are off by less, root mean square, Å. */
export const ATOM_OFF = 0.5;

/**
 * @typedef {{level: number, guess: {shape: number[], values: ArrayLike<number>}}} Guess  of one sample
 */

/**
 * The level of the first frame after which the error stays below `off`; null if it is too large to the last.
 * @param {Guess[]} frames noise first @param {(guess: Guess["guess"]) => number} error @param {number} off
 * @returns {number | null}
 */
function since(frames, error, off) {
  let from = null;
  for (let i = frames.length - 1; i >= 0; i -= 1) {
    if (!(error(frames[i].guess) < off)) break;
    from = frames[i].level;
  }
  return from;
}

/**
 * A coarse guess is compared with the mean of what its pixel will hold.
 * @param {Guess[]} frames @param {{shape: number[], values: ArrayLike<number>}} final (h, w, 3), 0 to 255
 * @param {number} fx place in the picture, 0 to 1 @param {number} fy @returns {number | null} a level
 */
export function pixelSettles(frames, final, fx, fy) {
  const ends = new Map();
  const error = ({ shape: [height, width], values }) => {
    const [x, y] = [place(fx, width), place(fy, height)];
    if (!ends.has(width)) ends.set(width, meanOf(final, x / width, y / height, width, height));
    const end = ends.get(width);
    return Math.max(...end.map((value, c) => Math.abs(values[(y * width + x) * 3 + c] - value))) / 255;
  };
  return since(frames, error, PIXEL_OFF);
}

const place = (part, size) => Math.min(Math.max(Math.floor(part * size), 0), size - 1);

/** Mean colour of the final picture inside one pixel of a coarser one. */
function meanOf({ shape: [height, width], values }, left, top, columns, rows) {
  const [wide, high] = [Math.max(1, Math.round(width / columns)), Math.max(1, Math.round(height / rows))];
  const [x0, y0] = [Math.round(left * width), Math.round(top * height)];
  const sum = [0, 0, 0];
  for (let y = y0; y < y0 + high; y += 1)
    for (let x = x0; x < x0 + wide; x += 1) for (let c = 0; c < 3; c += 1) sum[c] += values[(y * width + x) * 3 + c];
  return sum.map((value) => value / (wide * high));
}

/** @param {Guess[]} frames (N, 3) Å @param {{values: ArrayLike<number>}} final @param {number} atom @returns {number | null} a level */
export function atomSettles(frames, final, atom) {
  const count = final.values.length / 3;
  const far = ({ values }, j) => Math.hypot(...[0, 1, 2].map((k) => values[3 * atom + k] - values[3 * j + k]));
  const ends = Array.from({ length: count }, (_, j) => far(final, j));
  const error = (guess) => Math.sqrt(ends.reduce((sum, end, j) => sum + (far(guess, j) - end) ** 2, 0) / Math.max(1, count - 1));
  return since(frames, error, ATOM_OFF);
}
