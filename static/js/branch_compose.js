/**
 * A child run with its parent's frames as its history, so that what lies left of the fork can be looked
 * at as in any other run. Pure.
 */

const TOLERANCE = 1e-6;

/**
 * Gives a run that has just started what its parent did before it was left. The parent's own frames stay
 * its own; the stage that was left begins where the parent's begins.
 * @param {import("./run.js").Run} child its start event has come @param {import("./run.js").Run} parent
 */
export function graft(child, parent) {
  const { stage: name, step } = child.start.branch;
  const left = parent.stages.findIndex((stage) => stage.name === name);
  const own = child.stages.find((stage) => stage.name === name);
  if (left < 0 || !own) return;
  // Another idea makes another picture from its first step on.
  child.fork = parent.stages[left] === parent.stripStage ? Infinity : own.top;
  child.parent = parent;
  own.frames.unshift(...parent.stages[left].frames.filter((frame) => frame.step <= step));
  own.top = Math.max(own.top, parent.stages[left].top);
  // Another caption makes its own idea; with the same one the child has none and keeps its parent's.
  const before = parent.stages.slice(0, left).filter((stage) => !child.stages.some((other) => other.name === stage.name));
  child.stages.unshift(...before.map((stage) => ({ ...stage })));
  child.frameCount = child.stages.reduce((sum, stage) => sum + stage.frames.length, 0);
}

/** Whether a level lies before the fork, where both tracks are one. @param {import("./run.js").Run} child @param {number} level */
export const shared = (child, level) => child.fork !== undefined && level > child.fork + TOLERANCE;

/** The run that made a frame: a child shows its parents' before the fork. @param {import("./run.js").Run} run @param {import("./run.js").Frame} frame */
export function ownerOf(run, frame) {
  const inParent = run.parent?.stages.some(({ frames }) => frames.includes(frame));
  return inParent ? ownerOf(run.parent, frame) : run;
}

/** The member of a pair of tracks that grew out of the other. @param {import("./run.js").Run} a @param {import("./run.js").Run} b */
export const childIn = (a, b) => (a.parent === b ? a : b);
