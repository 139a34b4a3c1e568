/** The map's arithmetic: embeddings onto two axes, boxes onto the canvas, neighbours. Pure. */

const STRETCH = 1.7;

/**
 * @param {ArrayLike<number>} vector (D,) @param {ArrayLike<number>} matrix (2, D) row by row
 * @param {ArrayLike<number> | null} mean (D,) @param {number} scale of the vector: unit length is 1
 * @returns {[number, number]} matrix @ (vector / scale - mean)
 */
export function project(vector, matrix, mean, scale) {
  const size = vector.length;
  let x = 0;
  let y = 0;
  for (let i = 0; i < size; i += 1) {
    const value = vector[i] / scale - (mean ? mean[i] : 0);
    x += matrix[i] * value;
    y += matrix[size + i] * value;
  }
  return [x, y];
}

/** @param {ArrayLike<number>} vector */
export function length(vector) {
  let sum = 0;
  for (let i = 0; i < vector.length; i += 1) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}

/**
 * Map coordinates -> pixels, everything inside with a margin. The axes mean nothing by themselves, so
 * a wide box may stretch them, up to a limit.
 * @param {{x: number, y: number}[]} points @param {number} width @param {number} height @param {number} margin
 */
export function fit(points, width, height, margin) {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const full = (room, span) => (room - 2 * margin) / Math.max(span, 1e-9);
  const [fx, fy] = [full(width, right - left), full(height, high - low)];
  const [sx, sy] = [Math.min(fx, STRETCH * fy), Math.min(fy, STRETCH * fx)];
  const [cx, cy] = [(left + right) / 2, (low + high) / 2];
  return (x, y) => [width / 2 + (x - cx) * sx, height / 2 - (y - cy) * sy];
}

/** @param {[number, number][]} places @param {[number, number]} at @param {number} within @returns {number} index or -1 */
export function nearest(places, [x, y], within = Infinity) {
  let best = -1;
  let distance = within * within;
  places.forEach(([px, py], i) => {
    const d = (px - x) ** 2 + (py - y) ** 2;
    if (d < distance) [best, distance] = [i, d];
  });
  return best;
}

/** What most of the nearest few have in common. @param {[number, number][]} places @param {string[]} kinds @param {[number, number]} at */
export function among(places, kinds, [x, y], count = 7) {
  const order = places.map(([px, py], i) => [(px - x) ** 2 + (py - y) ** 2, kinds[i]]).sort(([a], [b]) => a - b);
  const votes = new Map();
  for (const [, kind] of order.slice(0, count)) votes.set(kind, (votes.get(kind) ?? 0) + 1);
  return [...votes].sort(([, a], [, b]) => b - a)[0][0];
}

/** The nearest place in a direction, sideways distance counting double. @param {[number, number][]} places @param {number} from @param {[number, number]} direction */
export function towards(places, from, [dx, dy]) {
  const [x, y] = places[from];
  let best = from;
  let least = Infinity;
  places.forEach(([px, py], i) => {
    const along = (px - x) * dx + (py - y) * dy;
    const aside = Math.abs((px - x) * dy - (py - y) * dx);
    if (i !== from && along > aside && along + 2 * aside < least) [best, least] = [i, along + 2 * aside];
  });
  return best;
}
