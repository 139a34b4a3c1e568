/** Lessons 3 and 5: CLIP and the prior; DALL·E 1 against 2. */

import { calls, likeness, named, otherSeed, variety } from "./lesson_numbers.js";
import { number } from "./text.js";
import { noiseShare } from "./words.js";

/** @typedef {import("./lesson_list.js").Lesson} Lesson @typedef {import("./lesson_list.js").Facts} Facts */

const words = (count) => String(count);

/** A caption that the prior has imagined. */
const imagined = (run) => Boolean(run?.input.prompt) && run.input.prior !== false;

/** @type {Lesson} */
export const CLIP = {
  id: "clip",
  scene: "both",
  minutes: 10,
  correct: 2,
  sources: ["clip", "unclip", "guidance"],
  reveal(now) {
    const run = now.all("dalle2").findLast((run) => imagined(run) && run.samples > 1) ?? null;
    const cosine = likeness(run);
    if (cosine === null) return null;
    const right = cosine > 0.95 ? 0 : cosine > 0.5 ? 1 : 2;
    return { right, values: { cosine: number(cosine), count: words(run.samples) } };
  },
  steps: [
    { id: "caption", here: "#prompt", done: (now) => imagined(now.fresh("dalle2")) },
    { id: "predict", asks: true },
    {
      id: "four",
      here: "#settings summary",
      reveals: true,
      done: (now) => imagined(now.fresh("dalle2")) && now.fresh("dalle2").samples >= 4,
    },
    { id: "map", here: "#tab-map", done: (now) => now.tab === "map" && now.max - now.min > 0.2 },
    {
      id: "without",
      here: "#mode",
      done: (now) => now.fresh("dalle2")?.input.prior === false,
      said(now) {
        const fresh = now.fresh("dalle2");
        const before = now.all("dalle2").findLast((run) => imagined(run) && run.input.prompt === fresh?.input.prompt);
        const [hits, usual] = [fresh, before].map((run) => named(run ?? null));
        if (hits === null || usual === null) return null;
        return { hits: words(hits), count: words(fresh.samples), usual: words(usual), drawn: words(before.samples) };
      },
    },
    {
      id: "variations",
      here: '#dalle2 [data-role="actions"]',
      done: (now) => Boolean(now.fresh("dalle2")?.input.variation_of),
      said: (now) => {
        const prompted = now.all("dalle2").findLast((run) => imagined(run) && run.samples > 1) ?? null;
        const [varied, drawn] = [variety(now.fresh("dalle2")), variety(prompted)];
        return varied === null || drawn === null ? null : { varied: number(varied), drawn: number(drawn) };
      },
    },
    { id: "path", here: "#mode", done: (now) => Boolean(now.fresh("dalle2")?.input.interpolate) },
    { id: "words", here: "#mode", done: (now) => Boolean(now.fresh("dalle2")?.input.diff) },
  ],
};

const DALLES = ["dalle2", "dalle1"];

/** @type {Lesson} */
export const DALLE1 = {
  id: "dalle1",
  scene: "compare",
  minutes: 7,
  correct: 2,
  sources: ["dalle1", "vqvae", "unclip"],
  reveal(now) {
    const [two, one] = DALLES.map((id) => calls(now.all(id).at(-1) ?? null));
    if (two === null || one === null) return null;
    return { right: one === two ? 2 : one > two ? 0 : 1, values: { one: words(one), two: words(two) } };
  },
  steps: [
    { id: "mode", scene: "", here: "#mode", done: (now) => now.mode === "compare" },
    { id: "predict", asks: true },
    {
      id: "run",
      here: "#run",
      reveals: true,
      done: (now) => {
        const [two, one] = DALLES.map((id) => now.fresh(id));
        return Boolean(two && one && two.input.prompt === one.input.prompt);
      },
    },
    {
      id: "middle",
      here: "#track",
      done: (now) => !now.moving && now.u > 0.3 && now.u < 0.7,
      said: (now) => halfway(now),
    },
    {
      id: "again",
      here: "#dice",
      done: (now) => DALLES.every((id) => otherSeed(now, id)),
    },
    {
      id: "judge",
      here: "#settings summary",
      done: (now) => DALLES.map((id) => now.fresh(id)).every((run) => run?.samples >= 4),
      said: (now) => {
        const [two, one] = DALLES.map((id) => now.fresh(id));
        const [hits2, hits1] = [two, one].map(named);
        if (hits2 === null || hits1 === null) return null;
        return { one: words(hits1), two: words(hits2), count: words(two.samples) };
      },
    },
  ],
};

/** What both ways of drawing hold at the playhead. @param {Facts} now */
function halfway(now) {
  const frame = now.frame("dalle1");
  const noisy = now.frame("dalle2");
  if (!frame || !noisy) return null;
  return {
    step: words(frame.step + 1),
    steps: words(frame.steps),
    percent: number(100 * noiseShare(noisy.sigma_over_data)),
  };
}
