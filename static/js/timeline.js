/**
 * Arithmetic of the shared noise axis. Pure.
 *
 * A *level* is log10(sigma / sigma_data): how many times (in powers of ten) the noise exceeds the
 * spread of the data. The axis runs from much noise (left, u = 0) to none (right, u = 1). The last
 * stretch, after the lowest level anybody samples, is "data": no noise level has a logarithm there,
 * and a run shows its finished sample at u = 1.
 *
 * @typedef {{level: number}} Levelled
 * @typedef {{top: number, bottom: number}} Axis  levels at u = 0 and at u = 1 - DATA_ZONE
 * @typedef {{name: string, top: number, frames: Levelled[]}} Stage  frames in falling order of level
 */

export const DATA_ZONE = 0.05;
const TOLERANCE = 1e-6;

/** @param {number} ratio sigma / sigma_data */
export const levelOf = (ratio) => Math.log10(ratio);

/** The axis that holds every level given. @param {number[]} levels @returns {Axis} */
export function axisOf(levels) {
  const finite = levels.filter(Number.isFinite);
  if (finite.length === 0) return { top: 2, bottom: -3 };
  const top = Math.max(...finite);
  const bottom = Math.min(...finite);
  return top - bottom < 0.1 ? { top: top + 0.5, bottom: bottom - 0.5 } : { top, bottom };
}

/** @param {Axis} axis @param {number} level @returns {number} u in [0, 1 - DATA_ZONE] */
export function positionOf(axis, level) {
  const u = ((axis.top - level) / (axis.top - axis.bottom)) * (1 - DATA_ZONE);
  return Math.min(Math.max(u, 0), 1 - DATA_ZONE);
}

/** @param {Axis} axis @param {number} u @returns {number} a level; -Infinity at the data end */
export function levelAt(axis, u) {
  if (u >= 1 - TOLERANCE) return -Infinity;
  return axis.top - (Math.max(u, 0) / (1 - DATA_ZONE)) * (axis.top - axis.bottom);
}

/** A pointer that lands in the second half of the data zone means "the end". @param {number} u */
export function snap(u) {
  const clamped = Math.min(Math.max(u, 0), 1);
  return clamped > 1 - DATA_ZONE / 2 ? 1 : clamped;
}

/**
 * The frame nearest to the level from above: what the sampler held when it last was at least this
 * noisy. Before the first frame's level, the first frame.
 * @template {Levelled} F @param {F[]} frames falling levels @param {number} level
 * @returns {F | null}
 */
export function frameAt(frames, level) {
  if (frames.length === 0) return null;
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frames[middle].level >= level - TOLERANCE) low = middle;
    else high = middle - 1;
  }
  return frames[low];
}

/**
 * The stage that speaks at a level: the latest one whose range covers it and that has a frame.
 * @template {Stage} S @param {S[]} stages in the order they run @param {number} level
 * @returns {S | null}
 */
export function stageAt(stages, level) {
  for (let i = stages.length - 1; i >= 0; i -= 1) {
    if (stages[i].frames.length > 0 && (i === 0 || stages[i].top >= level - TOLERANCE)) return stages[i];
  }
  return null;
}

/**
 * How far a run that is still arriving can be shown without a gap: the lowest level reached by the
 * stage that is responsible there (each stage hands over where the next one's range begins).
 * @param {Stage[]} stages @returns {number} a level; Infinity when nothing has arrived
 */
export function frontierOf(stages) {
  let reached = Infinity;
  for (let i = 0; i < stages.length; i += 1) {
    const { frames } = stages[i];
    if (frames.length === 0) break;
    const handover = i + 1 < stages.length ? stages[i + 1].top : -Infinity;
    const newest = frames[frames.length - 1].level;
    reached = Math.max(newest, handover);
    if (newest > handover + TOLERANCE) break;
  }
  return reached;
}

/**
 * The frames a playhead meets from left to right, one stage handing over to the next.
 * @template {Levelled} F @param {{top: number, frames: F[]}[]} stages @returns {F[]}
 */
export function visibleFrames(stages) {
  return stages.flatMap((stage, i) => {
    const next = stages[i + 1];
    const handover = next && next.frames.length > 0 ? next.top : -Infinity;
    return stage.frames.filter((frame) => frame.level > handover + TOLERANCE);
  });
}

/** Which scale a band of settling curves is about: 0 global, 1 between, 2 local. */
export const SCALE = { low: 0, global: 0, far: 0, middle: 1, angles: 1, near: 1, high: 2, bonds: 2, position: 2 };

/**
 * Where a scale has settled in all runs that have it, or null if none has.
 * @param {Axis} axis @param {any[]} settlings of runs that have noise levels @param {0 | 2} scale
 * @returns {number | null} u
 */
export function settledAt(axis, settlings, scale) {
  const levels = settlings
    .map(({ bands }) => bands.find(({ name }) => SCALE[name] === scale)?.settled_at)
    .filter((level) => level > 0);
  if (levels.length === 0) return null;
  return Math.max(...levels.map((level) => positionOf(axis, levelOf(level))));
}

/** Sorted, without near-doubles. @param {number[]} positions @returns {number[]} */
export function stopsOf(positions) {
  const sorted = [...positions].sort((a, b) => a - b);
  return sorted.filter((u, i) => i === 0 || u - sorted[i - 1] > 1e-4);
}

/** The stop after (direction 1) or before (-1) u. @param {number[]} stops @param {number} u @param {1|-1} direction */
export function neighbour(stops, u, direction) {
  if (direction > 0) return stops.find((stop) => stop > u + 1e-4) ?? 1;
  return stops.findLast((stop) => stop < u - 1e-4) ?? 0;
}

/** Whole powers of ten inside the axis, noisiest first. @param {Axis} axis @returns {number[]} */
export function ticksOf(axis) {
  const ticks = [];
  for (let level = Math.floor(axis.top); level >= Math.ceil(axis.bottom); level -= 1) ticks.push(level);
  return ticks;
}
