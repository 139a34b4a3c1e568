/** The view that shows a molecule at its widest: principal axes as a camera rotation. Pure. */

/** @typedef {[number, number, number, number]} Quaternion x, y, z, w */

const SWEEPS = 12;

/**
 * Rotation that lays the longest axis along x and the second along y. Of the four such rotations, the
 * one nearest to `from`. @param {Float32Array} xyz (N, 3) @param {Quaternion} [from] @returns {Quaternion}
 */
export function widestView(xyz, from = [0, 0, 0, 1]) {
  const axes = principalAxes(xyz);
  let best = from;
  let closest = -1;
  for (const [a, b] of [
    [1, 1],
    [-1, -1],
    [-1, 1],
    [1, -1],
  ]) {
    const x = axes[0].map((v) => v * a);
    const y = axes[1].map((v) => v * b);
    const candidate = quaternionOf([x, y, cross(x, y)]);
    const near = Math.abs(dot(candidate, from));
    if (near > closest) [best, closest] = [candidate, near];
  }
  return dot(best, from) < 0 ? best.map((v) => -v) : best;
}

/** Between two rotations, normalised linear. @param {Quaternion} a @param {Quaternion} b @param {number} part 0..1 */
export function between(a, b, part) {
  const sign = dot(a, b) < 0 ? -1 : 1;
  const mixed = a.map((v, i) => v + (sign * b[i] - v) * part);
  const length = Math.hypot(...mixed);
  return mixed.map((v) => v / length);
}

/** First `a`, then `b`. @param {Quaternion} a @param {Quaternion} b @returns {Quaternion} */
export function after([ax, ay, az, aw], [bx, by, bz, bw]) {
  const product = [
    bw * ax + bx * aw + by * az - bz * ay,
    bw * ay - bx * az + by * aw + bz * ax,
    bw * az + bx * ay - by * ax + bz * aw,
    bw * aw - bx * ax - by * ay - bz * az,
  ];
  const length = Math.hypot(...product);
  return product.map((v) => v / length);
}

/** @param {Quaternion} turn @param {ArrayLike<number>} point x, y, z */
export function rotated([qx, qy, qz, qw], [x, y, z]) {
  const [tx, ty, tz] = [2 * (qy * z - qz * y), 2 * (qz * x - qx * z), 2 * (qx * y - qy * x)];
  return [x + qw * tx + qy * tz - qz * ty, y + qw * ty + qz * tx - qx * tz, z + qw * tz + qx * ty - qy * tx];
}

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

/** Eigenvectors of the covariance, longest first, by Jacobi rotations. @param {Float32Array} xyz */
function principalAxes(xyz) {
  const count = xyz.length / 3;
  const mean = [0, 1, 2].map((k) => xyz.reduce((sum, v, i) => (i % 3 === k ? sum + v : sum), 0) / count);
  const m = [0, 1, 2].map(() => [0, 0, 0]);
  for (let i = 0; i < xyz.length; i += 3) {
    for (let j = 0; j < 3; j += 1)
      for (let k = 0; k < 3; k += 1) m[j][k] += (xyz[i + j] - mean[j]) * (xyz[i + k] - mean[k]);
  }
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      if (Math.abs(m[p][q]) < 1e-12) continue;
      const angle = 0.5 * Math.atan2(2 * m[p][q], m[q][q] - m[p][p]);
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let k = 0; k < 3; k += 1) [m[k][p], m[k][q]] = [c * m[k][p] - s * m[k][q], s * m[k][p] + c * m[k][q]];
      for (let k = 0; k < 3; k += 1) [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
      for (let k = 0; k < 3; k += 1) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
    }
  }
  const order = [0, 1, 2].sort((a, b) => m[b][b] - m[a][a]);
  return order.map((k) => [v[0][k], v[1][k], v[2][k]]);
}

/** Rotation matrix (rows) -> quaternion. @param {number[][]} r @returns {Quaternion} */
function quaternionOf(r) {
  const trace = r[0][0] + r[1][1] + r[2][2];
  if (trace > 0) {
    const s = 2 * Math.sqrt(trace + 1);
    return [(r[2][1] - r[1][2]) / s, (r[0][2] - r[2][0]) / s, (r[1][0] - r[0][1]) / s, s / 4];
  }
  const i = r[0][0] > r[1][1] && r[0][0] > r[2][2] ? 0 : r[1][1] > r[2][2] ? 1 : 2;
  const [j, k] = [(i + 1) % 3, (i + 2) % 3];
  const s = 2 * Math.sqrt(1 + r[i][i] - r[j][j] - r[k][k]);
  const q = [0, 0, 0, (r[k][j] - r[j][k]) / s];
  q[i] = s / 4;
  q[j] = (r[j][i] + r[i][j]) / s;
  q[k] = (r[k][i] + r[i][k]) / s;
  return q;
}
