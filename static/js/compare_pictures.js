/** What DALL·E 1 and 2 are compared by. */

import { COMMON, whole } from "./compare.js";
import { number, t } from "./text.js";

const judged = (best) => (best ? `${best.label} (${Math.round(best.probability * 100)} %)` : null);

/** @type {import("./compare.js").Comparison} */
export const PICTURES = {
  words: "compare",
  sides: ["dalle2", "dalle1"],
  rows: [
    ["caption", ({ run }) => run?.input.prompt ?? null],
    ["origin", COMMON.origin],
    ["order", ({ run }) => (run?.start ? t(run.stepwise ? "compare.order.tokens" : "compare.order.noise") : null)],
    ["calls", COMMON.calls],
    ["ms", COMMON.ms],
    ["size", ({ done }) => (done ? t("compare.pixels", { side: done.sample.shape.at(-2) }) : null)],
    ["judged", ({ done, sample }) => judged(done?.judged?.[sample]?.[0])],
    [
      "clip",
      ({ done, sample }) => (typeof done?.clip_score?.[sample] === "number" ? number(done.clip_score[sample]) : null),
    ],
    ["parameters", COMMON.parameters],
  ],
  summary: ([two, one]) => (two && one ? t("compare.summary", { one: whole(one), two: whole(two) }) : t("compare.waiting")),
};
