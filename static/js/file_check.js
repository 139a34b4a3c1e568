/**
 * Whether a file's JSON is a run that the stage can show, before anything of it is shown: a file comes
 * from anywhere. Pure.
 *
 * @typedef {{pipeline: string, input: object, settings: Record<string, any>, branch?: object, recorded_at?: string,
 *   versions?: Record<string, string>, checkpoints?: Record<string, string>, events?: {event: string, data: any}[]}} Document
 */

const BYTES = { uint8: 1, float16: 2, float32: 4, float64: 8, int32: 4 };
const MAX_EVENTS = 2000;
const MAX_ATOMS = 20_000;

/** What is wrong, as a key of the catalogue. */
export class NotARun extends Error {
  /** @param {string} key @param {Record<string, string>} [values] */
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;

/** @param {boolean} good @param {string} where */
function must(good, where) {
  if (!good) throw new NotARun("files.broken", { where });
}

/**
 * @param {string} text JSON @param {string[]} pipelines that this page has
 * @returns {Document} @throws {NotARun}
 */
export function documentOf(text, pipelines) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new NotARun("files.not_json");
  }
  if (!isObject(found) || typeof found.pipeline !== "string" || !isObject(found.input) || !isObject(found.settings))
    throw new NotARun("files.foreign");
  if (!pipelines.includes(found.pipeline)) throw new NotARun("files.pipeline", { name: found.pipeline.slice(0, 40) });
  must(found.settings.samples === undefined || isWhole(found.settings.samples, 1, 64), "settings.samples");
  if (found.checkpoints !== undefined) must(isObject(found.checkpoints), "checkpoints");
  if (found.branch != null) must(isBranch(found.branch), "branch");
  if (found.events !== undefined) checkEvents(found.events, found.settings.samples ?? 1);
  return found;
}

function checkEvents(events, samples) {
  must(Array.isArray(events) && events.length >= 2 && events.length <= MAX_EVENTS, "events");
  must(events.every((one) => isObject(one) && isObject(one.data)), "events");
  const [{ event, data: start }] = events;
  if (start.branch != null) must(isBranch(start.branch), "events: start.branch");
  must(event === "start" && Array.isArray(start.stages) && start.stages.every(isStage), "events: start");
  const done = events.at(-1);
  must(done.event === "done" && isArray(done.data.sample), "events: done");
  const names = new Set(start.stages.map(({ name }) => name));
  for (const { event: name, data } of events.slice(1, -1)) {
    if (name !== "frame") continue;
    must(names.has(data.stage) && isWhole(data.step, 0, 1e5) && isWhole(data.steps, 1, 1e5), "events: frame");
    const levels = [data.sigma, data.sigma_over_data];
    must(levels.every((level) => level === null || (Number.isFinite(level) && level >= 0)), "events: frame.sigma");
    must(isArray(data.x) && isArray(data.denoised), "events: frame.x");
  }
  if (start.atoms === undefined) return;
  checkAtoms(start, done.data.sample, samples);
  const shape = done.data.sample.shape.join();
  const drawn = events.filter(({ event: name }) => name === "frame");
  must(drawn.every(({ data }) => data.x.shape.join() === shape && data.denoised.shape.join() === shape), "events: frame.x");
}

const isStage = (stage) =>
  isObject(stage) && typeof stage.name === "string" && (stage.sigmas == null || (Array.isArray(stage.sigmas) && stage.sigmas.every(Number.isFinite)));

/** Where a run went on from: it may itself be a branch, three deep. @param {any} branch */
function isBranch(branch, depth = 3) {
  const { of, stage, step } = isObject(branch) ? branch : {};
  if (!isObject(of) || !isObject(of.input) || !isObject(of.settings)) return false;
  if (typeof stage !== "string" || !isWhole(step, 0, 1e5)) return false;
  return of.branch == null || (depth > 1 && isBranch(of.branch, depth - 1));
}

/** An array as it travels, as many bytes as its shape says. @param {any} value */
function isArray(value) {
  if (!isObject(value) || !(value.dtype in BYTES) || !Array.isArray(value.shape) || typeof value.data !== "string")
    return false;
  if (!value.shape.every((n) => isWhole(n, 0, 1e7))) return false;
  const bytes = BYTES[value.dtype] * value.shape.reduce((product, n) => product * n, 1);
  return value.data.length === 4 * Math.ceil(bytes / 3) && /^[A-Za-z0-9+/]*={0,2}$/.test(value.data);
}

function checkAtoms({ atoms, bonds = [], chains = [] }, sample, samples) {
  must(Array.isArray(atoms) && atoms.length > 0 && atoms.length <= MAX_ATOMS, "events: start.atoms");
  must(atoms.every((atom) => isObject(atom) && typeof atom.element === "string"), "events: start.atoms");
  must(Array.isArray(chains) && chains.every(isObject), "events: start.chains");
  const inside = (end) => isWhole(end, 0, atoms.length - 1);
  must(Array.isArray(bonds) && bonds.every((b) => Array.isArray(b) && inside(b[0]) && inside(b[1])), "events: start.bonds");
  const shape = samples === 1 ? [atoms.length, 3] : [samples, atoms.length, 3];
  must(sample.shape.join() === shape.join(), "events: done.sample");
}
