/** One structure laid onto another. Pure. */

const SWEEPS = 16;

/**
 * Rotation that brings `moving` onto `fixed` with the least squared distance, both about their centres; a
 * mirror image is never used (Horn 1987, by quaternions).
 * @param {ArrayLike<number>} moving (N, 3) @param {ArrayLike<number>} fixed (N, 3)
 * @returns {{turn: import("./orientation.js").Quaternion, rmsd: number}}
 */
export function superpose(moving, fixed) {
  const [a, b] = [centred(moving), centred(fixed)];
  const s = [0, 1, 2].map(() => [0, 0, 0]);
  let total = 0;
  for (let i = 0; i < a.length; i += 3)
    for (let j = 0; j < 3; j += 1) {
      total += a[i + j] ** 2 + b[i + j] ** 2;
      for (let k = 0; k < 3; k += 1) s[j][k] += a[i + j] * b[i + k];
    }
  const [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = s;
  const { value, vector } = largest([
    [xx + yy + zz, yz - zy, zx - xz, xy - yx],
    [yz - zy, xx - yy - zz, xy + yx, zx + xz],
    [zx - xz, xy + yx, yy - xx - zz, yz + zy],
    [xy - yx, zx + xz, yz + zy, zz - xx - yy],
  ]);
  const [w, x, y, z] = vector;
  return { turn: [x, y, z, w], rmsd: Math.sqrt(Math.max(0, (total - 2 * value) / (a.length / 3))) };
}

/** @param {ArrayLike<number>} xyz */
function centred(xyz) {
  const count = xyz.length / 3;
  const mean = [0, 0, 0];
  for (let i = 0; i < xyz.length; i += 1) mean[i % 3] += xyz[i] / count;
  return Float64Array.from(xyz, (v, i) => v - mean[i % 3]);
}

/** Largest eigenvalue of a symmetric matrix and its vector, by Jacobi rotations. @param {number[][]} m */
function largest(m) {
  const size = m.length;
  const v = m.map((_, i) => m.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1)
    for (let p = 0; p < size; p += 1)
      for (let q = p + 1; q < size; q += 1) {
        if (Math.abs(m[p][q]) < 1e-12) continue;
        const angle = 0.5 * Math.atan2(2 * m[p][q], m[q][q] - m[p][p]);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < size; k += 1) [m[k][p], m[k][q]] = [c * m[k][p] - s * m[k][q], s * m[k][p] + c * m[k][q]];
        for (let k = 0; k < size; k += 1) [m[p][k], m[q][k]] = [c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]];
        for (let k = 0; k < size; k += 1) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
  const best = m.map((_, k) => k).reduce((top, k) => (m[k][k] > m[top][top] ? k : top), 0);
  return { value: m[best][best], vector: v.map((row) => row[best]) };
}

/** Mean RMSD between all pairs of structures, Å. @param {ArrayLike<number>[]} all (N, 3) each */
export function spread(all) {
  const pairs = all.flatMap((a, i) => all.slice(i + 1).map((b) => superpose(a, b).rmsd));
  return pairs.reduce((sum, value) => sum + value, 0) / Math.max(1, pairs.length);
}
