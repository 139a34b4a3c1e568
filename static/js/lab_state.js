/** The experiment: two schedules, as short text for the address and as the server's settings. Pure. */

import { KINDS, PUBLISHED, levelsOf } from "./lab_schedules.js";
import { falling } from "./lab_curve.js";

/** @typedef {import("./lab_schedules.js").Side} Side */

export const SAMPLERS = ["euler", "heun", "ancestral", "af3"];
/** What can be drawn, in decades of sigma / sigma_data. */
export const ROOM = { low: -3.5, high: 2.5 };
export const MAX_STEPS = 200;

/** @type {Side} inside what both models were trained at */
const USUAL = {
  kind: "karras", steps: 24, rho: 7, top: 30, bottom: 0.015, points: [], sampler: null, gamma_0: 0, gamma_min: 0,
  step_scale: null, noise_scale: null, guidance: null,
};

/** @returns {{a: Side, b: Side}} */
export const usual = () => ({ a: { ...USUAL }, b: { ...USUAL, kind: "linear" } });

/** AlphaFold 3's sampler as published (supplement, algorithm 18); its churn stops at 1 Å of 16. @param {Side} side */
export const published = (side) => ({
  ...side, kind: "af3", steps: 200, sampler: "af3", gamma_0: 0.8, gamma_min: 1 / 16, step_scale: 1.5, noise_scale: 1.003,
});

/** Away from it: the usual steps and sampler again, where they are still its own. @param {Side} side */
export function unpublished(side) {
  const theirs = published(side);
  const names = ["steps", "sampler", "gamma_0", "gamma_min", "step_scale", "noise_scale"];
  return { ...side, ...Object.fromEntries(names.filter((name) => side[name] === theirs[name]).map((name) => [name, USUAL[name]])) };
}

/** Numbers of a side: letter in the text, least and greatest value, whether null is one. */
export const NUMBERS = {
  steps: { letter: "n", least: 1, most: MAX_STEPS, whole: true },
  rho: { letter: "r", least: 1, most: 20 },
  top: { letter: "f", least: 1e-3, most: 300 },
  bottom: { letter: "t", least: 3e-4, most: 10 },
  gamma_0: { letter: "g", least: 0, most: 2 },
  gamma_min: { letter: "m", least: 0, most: 100 },
  step_scale: { letter: "k", least: 0.5, most: 2, free: true },
  noise_scale: { letter: "z", least: 0, most: 2, free: true },
  guidance: { letter: "w", least: 0, most: 10, free: true },
};

const short = (value) => String(Number(value.toPrecision(6)));

/** "karras_n24_f30_t0.015": what differs from the usual. @param {Side} side @returns {string} */
export function textOf(side) {
  const parts = [side.kind];
  for (const [name, { letter }] of Object.entries(NUMBERS))
    if (side[name] !== USUAL[name]) parts.push(letter + short(side[name]));
  if (side.sampler) parts.push(`s${side.sampler}`);
  if (side.kind === "drawn")
    parts.push(`p${side.points.flatMap(({ x, y }) => [Math.round(100 * x), Math.round(100 * y)]).join("*")}`);
  return parts.join("_");
}

/** The inverse; what cannot be used is left as usual. @param {string | null} text @param {Side} or @returns {Side} */
export function sideOf(text, or) {
  if (!text) return or;
  const [kind, ...parts] = text.split("_");
  if (!KINDS.includes(kind)) return or;
  const side = { ...USUAL, kind };
  for (const part of parts) {
    const value = part.slice(1);
    if (part[0] === "s" && SAMPLERS.includes(value)) side.sampler = value;
    if (part[0] === "p") side.points = pointsIn(value);
    const name = Object.keys(NUMBERS).find((key) => NUMBERS[key].letter === part[0]);
    if (name && value !== "" && Number.isFinite(Number(value))) side[name] = within(name, Number(value));
  }
  if (kind === "drawn" && side.points.length < 2) return or;
  return kept(side);
}

function pointsIn(text) {
  const flat = text.split("*").map(Number);
  if (flat.length < 4 || flat.length > 80 || flat.length % 2 || !flat.every(Number.isFinite)) return [];
  const points = Array.from({ length: flat.length / 2 }, (_, i) => ({ x: flat[2 * i] / 100, y: flat[2 * i + 1] / 100 }));
  return falling(points, ROOM);
}

/**
 * What every model's server takes of a number: the settings' bounds, those in native units relative to the data.
 * @param {string} name @param {{sigmaData: number | null, info: {settings?: Record<string, {minimum?: number, maximum?: number}>} | null}[]} models
 * @returns {{least: number, most: number}}
 */
export function limitsOf(name, models) {
  let { least, most } = NUMBERS[name];
  const { setting = name, native = false } = OFFERED[name] ?? {};
  for (const { info, sigmaData } of models) {
    const { minimum, maximum } = info?.settings?.[setting] ?? {};
    if (!(maximum > minimum) || (native && !sigmaData)) continue;
    const unit = native ? sigmaData : 1;
    [least, most] = [Math.max(least, minimum / unit), Math.min(most, maximum / unit)];
  }
  return { least, most };
}

/** Names on the server, and which are in the units of the data. */
const OFFERED = {
  rho: { setting: "schedule.rho" },
  top: { setting: "schedule.sigma_max", native: true },
  bottom: { setting: "schedule.sigma_min", native: true },
  gamma_min: { native: true },
  guidance: { setting: "guidance_scale" },
};

/** @param {string} name @param {number} value @param {{least: number, most: number}} [limits] */
export function within(name, value, { least, most } = NUMBERS[name]) {
  const { whole } = NUMBERS[name];
  return Math.min(Math.max(whole ? Math.round(value) : value, least), most);
}

/** The same with the last level below the first one. @param {Side} side @returns {Side} */
export const kept = (side) => ({ ...side, bottom: Math.min(side.bottom, side.top / 1.5) });

/** Whether the schedule is one of a formula with ends to choose. @param {Side} side */
export const hasEnds = ({ kind }) => kind !== "af3" && kind !== "drawn";

/**
 * What the server is told. @param {Side} side @param {number} sigmaData of the stage that it is for
 * @param {number} seed @param {Record<string, {minimum?: number, maximum?: number}>} offered the pipeline's settings
 */
export function settingsOf(side, sigmaData, seed, offered) {
  const { kind, steps, sampler, guidance } = side;
  const settings = { seed, steps, samples: 1, schedule: scheduleOf(side, sigmaData), gamma_0: side.gamma_0 };
  settings.gamma_min = side.gamma_min * sigmaData;
  if (sampler) settings.sampler = sampler;
  // A model's own step scale belongs to its own sampler.
  const scale = side.step_scale ?? (sampler && (sampler === "af3" ? 1.5 : 1));
  if (scale !== null) settings.step_scale = scale;
  if (side.noise_scale !== null) settings.noise_scale = side.noise_scale;
  const { minimum, maximum } = offered.guidance_scale ?? {};
  if (guidance !== null && maximum > minimum) settings.guidance_scale = guidance;
  if (kind === "drawn" || kind === "cosine") settings.steps = settings.schedule.sigmas.length;
  return settings;
}

/** @param {Side} side @param {number} sigmaData */
function scheduleOf(side, sigmaData) {
  const { kind, top, bottom, rho } = side;
  if (kind === "af3") return { kind };
  // The server's cosine is made for data of spread 1, so its levels are sent.
  if (kind === "drawn" || kind === "cosine")
    return { kind: "explicit", sigmas: levelsOf(side).map((level) => level * sigmaData) };
  const ends = { sigma_max: top * sigmaData, sigma_min: bottom * sigmaData };
  return kind === "karras" ? { kind, ...ends, rho } : { kind, ...ends };
}

/** First and last level of a side. @param {Side} side */
export const endsOf = (side) => (side.kind === "af3" ? PUBLISHED : { top: levelsOf(side)[0], bottom: levelsOf(side).at(-1) });
