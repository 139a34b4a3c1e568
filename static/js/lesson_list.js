/**
 * The lessons: which steps they have, what completes each, and how their question is answered by the runs
 * on the stage. The words are in the catalogue (part "lessons"), under the same ids.
 *
 * @typedef {import("./lesson_watch.js").Facts} Facts
 * @typedef {{id: string, scene?: string, here?: string, asks?: boolean, reveals?: boolean,
 *   act?: {key: string, settings: object}, done?: (now: Facts) => boolean,
 *   said?: (now: Facts) => Record<string, string> | null, table?: boolean}} Step
 *   scene: what the stage shows, if not the lesson's own; here: what the step is about, as a selector;
 *   act: a button that runs both models with these settings; said: numbers for the step's sentence
 * @typedef {{id: string, scene: string, minutes: number, correct: number, sources: string[], steps: Step[],
 *   reveal: (now: Facts) => {right: number, values: Record<string, string>} | null}} Lesson
 *   correct: how many remarks on the article; reveal: which option the runs have shown to be right
 */

import { clouds, noisier, otherSeed, pictureDifference, settled, settledBand, stepsBelow } from "./lesson_numbers.js";
import { CLIP, DALLE1 } from "./lesson_pictures.js";
import { FEW, scheduled } from "./lesson_schedules.js";
import { STRUCTURES } from "./lesson_structures.js";
import { number, percent, t } from "./text.js";
import { ratioWords } from "./words.js";

const level = (value) => (value === null ? t("lesson.never") : ratioWords(value));
const words = (count) => String(count);
/** From noise to data, however. */
const walked = ({ min, max }) => min < 0.1 && max > 0.99;
const both = (now, ids) => ids.map((id) => now.fresh(id));
/** The shape that the drop has if none was asked for is the first one. @param {import("./run.js").Run} [run] */
const shapeOf = (run) => run?.input.shape ?? "drop";
const near = (u, mark) => mark !== null && Math.abs(u - mark) < 0.012;

/** @type {Lesson} */
const DYE = {
  id: "dye",
  scene: "dye",
  minutes: 6,
  correct: 1,
  sources: ["sohl", "ddpm", "score", "edm"],
  reveal(now) {
    const run = now.all("dye").at(-1) ?? null;
    const [far, close] = [settledBand(run, "far"), settledBand(run, "near")];
    const right = noisier(far, close);
    return right === null ? null : { right, values: { far: level(far), near: level(close) } };
  },
  steps: [
    {
      id: "forward",
      here: "#dye-forward",
      done: (now) => now.shown("dye")?.source === "computed" && now.min < 0.02,
      said: (now) => {
        const top = now.shown("dye")?.stages[0]?.top;
        return top === undefined ? null : { percent: number(100 / (1 + 10 ** (2 * top))) };
      },
    },
    { id: "predict", asks: true },
    {
      id: "reverse",
      here: "#dye-reverse",
      reveals: true,
      done: (now) => now.shown("dye") !== null && now.shown("dye").source !== "computed" && walked(now),
    },
    {
      id: "middle",
      here: "#track",
      done: (now) => !now.moving && Math.abs(now.level) < 0.12,
    },
    {
      id: "again",
      here: "#dye-run",
      done: (now) => now.fresh("dye") !== null && !now.moving,
      said: (now) => {
        const last = now.all("dye").at(-1);
        const before = now.all("dye").findLast((run) => run !== last && shapeOf(run) === shapeOf(last));
        const apart = before && clouds(before, last);
        return apart && { same: number(apart.same), nearest: number(apart.nearest) };
      },
    },
    {
      id: "shape",
      here: "#dye-shapes",
      done: (now) => {
        const fresh = now.fresh("dye");
        const before = now.all("dye").findLast((run) => run !== fresh);
        return fresh !== null && !now.moving && shapeOf(fresh) !== shapeOf(before);
      },
    },
  ],
};

const PAIR = ["dalle2", "alphafold3"];

/** @type {Lesson} */
const AXIS = {
  id: "axis",
  scene: "both",
  minutes: 8,
  correct: 2,
  sources: ["edm", "unclip", "af3", "spectral", "fourier"],
  reveal(now) {
    const [picture, molecule] = PAIR.map((id) => settled(now.all(id).at(-1) ?? null, 0));
    const right = noisier(picture, molecule);
    return right === null ? null : { right, values: { picture: level(picture), molecule: level(molecule) } };
  },
  steps: [
    { id: "watch", here: ".play", done: walked },
    { id: "predict", asks: true },
    { id: "run", here: "#run", reveals: true, done: (now) => both(now, PAIR).every(Boolean) },
    {
      id: "global",
      here: '[data-action="global"]',
      done: (now) => !now.moving && near(now.u, now.marks.global),
      said: (now) => pairSettled(now, 0),
    },
    {
      id: "local",
      here: '[data-action="local"]',
      done: (now) => !now.moving && near(now.u, now.marks.local),
      said: (now) => pairSettled(now, 2),
    },
    { id: "views", here: '[data-action="swap"]', done: (now) => now.focus !== now.focusBefore },
    {
      id: "seed",
      here: "#dice",
      done: (now) => PAIR.every((id) => otherSeed(now, id)),
      said: (now) => pairSettled(now, 0),
    },
    {
      id: "branch",
      here: "#branch",
      done: (now) => branched(now) !== null,
      said: (now) => branched(now),
    },
  ],
};

/** The newest branch of the picture: where it left, and how far its end is from the run's. @param {Facts} now */
function branched(now) {
  const run = now.fresh("dalle2");
  const difference = run?.parent ? pictureDifference(run.parent, run) : null;
  if (difference === null) return null;
  const { stage, step, sigma } = run.start.branch;
  const data = run.stages.find(({ name }) => name === stage)?.sigmaData ?? 1;
  return { step: words(step + 1), noise: ratioWords(sigma / data), difference: percent(difference / 100) };
}

/** @param {Facts} now @param {0 | 2} scale */
function pairSettled(now, scale) {
  const [picture, molecule] = PAIR.map((id) => settled(now.shown(id), scale));
  return { picture: level(picture), molecule: level(molecule) };
}

/** @type {Lesson} */
const SCHEDULE = {
  id: "schedule",
  scene: "both",
  minutes: 9,
  correct: 2,
  sources: ["edm", "iddpm", "noise", "harmful", "af3"],
  reveal(now) {
    const { linear, linear_few: few } = scheduled(now, "alphafold3");
    const steps = stepsBelow(linear ?? few ?? null);
    if (!steps) return null;
    const share = steps.below / steps.all;
    return {
      right: share > 1 / 3 ? 0 : share > 0.1 ? 1 : 2,
      values: { below: words(steps.below), all: words(steps.all) },
    };
  },
  steps: [
    {
      id: "usual",
      act: { key: "lesson.act.karras", settings: { schedule: { kind: "karras" } } },
      done: (now) => both(now, PAIR).every((run) => run?.settings.schedule.kind === "karras"),
      said: (now) => {
        const [picture, molecule] = PAIR.map((id) => stepsBelow(now.shown(id)));
        if (!picture || !molecule) return null;
        return {
          picture: words(picture.below),
          pictures: words(picture.all),
          molecule: words(molecule.below),
          molecules: words(molecule.all),
        };
      },
    },
    { id: "predict", asks: true },
    {
      id: "even",
      act: { key: "lesson.act.linear", settings: { schedule: { kind: "linear" } } },
      reveals: true,
      table: true,
      done: (now) => both(now, PAIR).every((run) => run?.settings.schedule.kind === "linear"),
    },
    { id: "detail", here: "#track", table: true, done: (now) => !now.moving && now.max - now.min > 0.05 && now.level < -0.3 && now.u < 0.99 },
    {
      id: "cosine",
      act: { key: "lesson.act.cosine", settings: { schedule: { kind: "cosine" } } },
      table: true,
      done: (now) => both(now, PAIR).every((run) => run?.settings.schedule.kind === "cosine"),
    },
    {
      id: "published",
      here: "#settings summary",
      table: true,
      done: (now) => now.fresh("alphafold3")?.settings.schedule.kind === "af3",
    },
    {
      id: "few",
      here: "#settings summary",
      table: true,
      done: (now) => PAIR.some((id) => now.fresh(id)?.settings.steps <= FEW),
    },
  ],
};

export const LESSONS = [DYE, AXIS, CLIP, SCHEDULE, DALLE1, STRUCTURES];

/** The answers that a lesson's question offers. @param {string} ready its id among the polls @returns {string[]} */
export const optionsOf = (ready) => [0, 1, 2].map((i) => t(`poll.${ready}.option.${i}`));

/** @param {string} id @returns {Lesson | null} */
export const lessonOf = (id) => LESSONS.find((lesson) => lesson.id === id) ?? null;
