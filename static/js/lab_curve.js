/** Editing a drawn schedule: its points move, and it always falls. Pure. */

import { heightAt } from "./lab_schedules.js";

/** @typedef {import("./lab_schedules.js").Point} Point */

export const COUNT = 8;
/** Least distance between neighbours: of the steps, and in decades of noise. */
export const GAP = { x: 0.01, y: 0.02 };

/** Points lie on a grid, which is what the address holds: a link is exactly the curve that was drawn. */
const onGrid = (value) => Math.round(100 * value) / 100;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Points of a curve that has only levels. @param {number[]} levels falling, above 0 @param {{low: number, high: number}} room
 * in decades @param {number} [count] @returns {Point[]}
 */
export function pointsOf(levels, room, count = COUNT) {
  const given = levels.map((level, i) => ({ x: levels.length > 1 ? i / (levels.length - 1) : 0, y: Math.log10(level) }));
  if (given.length === 1) given.push({ x: 1, y: given[0].y - 1 });
  const chosen = [given[0], given.at(-1)];
  while (chosen.length < count) {
    chosen.push(nextOf(given, chosen));
    chosen.sort((a, b) => a.x - b.x);
  }
  return falling(chosen, room);
}

const FINE = 0.05; // decades: a curve this near needs no further point for its shape

/** Where the straight pieces are furthest from the curve; if they are near everywhere, the middle of the longest. */
function nextOf(given, chosen) {
  const off = ({ x, y }) => Math.abs(y - heightAt(chosen, x));
  const worst = given.reduce((best, point) => (off(point) > off(best) ? point : best));
  if (off(worst) > FINE) return worst;
  const gaps = chosen.slice(1).map(({ x }, i) => ({ x: (x + chosen[i].x) / 2, wide: x - chosen[i].x }));
  const { x } = gaps.reduce((best, gap) => (gap.wide > best.wide + 1e-9 ? gap : best));
  return { x, y: heightAt(given, x) };
}

/**
 * The nearest points that rise in x and fall in y with the gaps kept, the first at 0 and the last at 1.
 * @param {Point[]} points at least two @param {{low: number, high: number}} room decades @returns {Point[]}
 */
export function falling(points, room) {
  const sorted = [...points].sort((a, b) => a.x - b.x);
  const last = sorted.length - 1;
  const out = [];
  sorted.forEach(({ x, y }, i) => {
    const before = out[i - 1];
    const left = before ? before.x + GAP.x : 0;
    const high = before ? before.y - GAP.y : room.high;
    out.push({
      x: i === 0 ? 0 : i === last ? 1 : onGrid(clamp(x, left, 1 - GAP.x * (last - i))),
      y: onGrid(clamp(y, room.low + GAP.y * (last - i), high)),
    });
  });
  return out;
}

/**
 * One point moved as far as it may go: between its neighbours, inside the room; the ends keep their x.
 * @param {Point[]} points @param {number} i @param {Point} to @param {{low: number, high: number}} room
 * @returns {Point[]}
 */
export function moved(points, i, { x, y }, room) {
  const [before, after] = [points[i - 1], points[i + 1]];
  const place = {
    x: before && after ? onGrid(clamp(x, before.x + GAP.x, after.x - GAP.x)) : points[i].x,
    y: onGrid(clamp(y, after ? after.y + GAP.y : room.low, before ? before.y - GAP.y : room.high)),
  };
  return points.map((point, k) => (k === i ? place : point));
}
