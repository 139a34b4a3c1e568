/**
 * What a branch goes on from and what it changes. Pure.
 *
 * @typedef {{input: object, settings: Record<string, any>, branch?: Branch}} Of a run as it was asked for
 * @typedef {{of: Of, stage: string, step: number, sigma?: number}} Branch  as the server takes it; sigma: refused
 *   unless the run has that noise there
 * @typedef {{input: object, settings: Record<string, any>, changed: string[]}} Child
 *   changed: "input" and names of settings; empty if the child would be the parent again
 */

const TOLERANCE = 1e-6;
/** How deep branches of branches may go: as many as the server takes. */
export const DEEPEST = 3;

/** Whether two JSON values say the same, whatever the order of their keys. @param {any} a @param {any} b @returns {boolean} */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => same(a[key], b[key]));
}

/** Whether `held` has all that is `asked`; of an object it may have more. @param {any} asked @param {any} held */
const holds = (asked, held) =>
  typeof asked === "object" && asked !== null && !Array.isArray(asked)
    ? typeof held === "object" && held !== null && Object.keys(asked).every((key) => holds(asked[key], held[key]))
    : same(asked, held);

/**
 * The frame of what a panel shows that one can go on from.
 * @param {{run: import("./run.js").Run, frame: any, final: any, strip: any, level: number}} shown
 * @param {string[]} stages those that can be left
 * @returns {import("./run.js").Frame | null} null at the end of a run, before its first frame, and in stages that cannot
 */
export function placeOf({ run, frame, final, strip, level }, stages) {
  if (!run || final) return null;
  const chooses = run.stripStage?.name;
  // Before the picture begins there is only its idea.
  const early = !frame || level > frame.level + TOLERANCE;
  if (early && strip && stages.includes(chooses)) return strip;
  if (!frame || !stages.includes(frame.stage)) return null;
  return frame;
}

/** The step of the prior that is shown, whatever the picture has come to. @param {{run: any, strip: any}} shown @param {string[]} stages */
export const ideaOf = ({ run, strip }, stages) => (run && strip && stages.includes(strip.stage) ? strip : null);

/**
 * The child of a run: as the run was, with what the form says now.
 * @param {import("./run.js").Run} parent @param {{input: object, settings: Record<string, any>}} asked of the form
 * @param {Record<string, any>} [preset] settings that a box of the form stands for: unticked, they go
 * @param {string[]} [untouched] settings of which the form says only its defaults: a recording had its own
 * @returns {Child}
 */
export function childOf(parent, asked, preset = {}, untouched = []) {
  const settings = { ...parent.settings };
  const changed = same(parent.input, asked.input) ? [] : ["input"];
  const names = Object.keys(preset);
  const unticked = names.length > 0 && holds(preset, parent.settings) && !holds(preset, asked.settings);
  if (unticked) for (const name of names) delete settings[name];
  const kept = parent.source === "recorded" ? untouched : [];
  for (const [name, value] of Object.entries(asked.settings)) {
    if (holds(value, settings[name]) || kept.includes(name)) continue;
    settings[name] = value;
    changed.push(name);
  }
  if (unticked) changed.push(...names.filter((name) => !changed.includes(name)));
  return { input: asked.input, settings, changed };
}

/**
 * Whether the form says something else than a run. @param {import("./run.js").Run} run
 * @param {{input: object, settings: Record<string, any>} | null} asked @param {any[]} rest as for {@link childOf}
 */
export const differs = (run, asked, ...rest) => asked !== null && childOf(run, asked, ...rest).changed.length > 0;

/** A run as it was asked for, so that it can be computed again. @param {import("./run.js").Run} run @returns {Of} */
export function ofRun({ input, settings, branch, start }) {
  const from = branch ?? (start?.branch && plain(start.branch));
  return from ? { input, settings, branch: from } : { input, settings };
}

/** Without what the server tells beside it. @param {any} branch @returns {Branch} */
const plain = ({ of, stage, step, sigma }) => ({ of, stage, step, sigma });

/** How many branches lie one upon the other. @param {Of | undefined} of @returns {number} */
export const depthOf = (of) => (of?.branch ? 1 + depthOf(of.branch.of) : 0);

/**
 * Whether a run is the one that was left. Settings that only one of both names do not count: a
 * recording names what there was when it was made.
 * @param {import("./run.js").Run | null} run @param {Of} of
 */
export function matches(run, of) {
  if (!run || !same(run.input, of.input)) return false;
  const own = ofRun(run);
  const agree = Object.entries(of.settings).every(
    ([name, value]) => own.settings[name] === undefined || holds(value, own.settings[name]),
  );
  const branches = [own.branch, of.branch];
  if (!agree || branches.some(Boolean) !== branches.every(Boolean)) return false;
  const [mine, theirs] = branches;
  return !mine || (mine.stage === theirs.stage && mine.step === theirs.step && same(mine.of.input, theirs.of.input));
}
