/** Branches in words: what a track was asked for, and how far two ends are apart. */

import { apart } from "./branch_apart.js";
import { same } from "./branch_choice.js";
import { childIn } from "./branch_compose.js";
import { textOf } from "./input_kind.js";
import { captionOf } from "./picture_input.js";
import { knows, listed, number, percent, t } from "./text.js";

/** Said by a name of their own; everything else is "other settings". */
const NAMED = ["seed", "steps", "guidance_scale", "sampler"];
const LONG = 60; // characters of an input in a sentence

/**
 * What a run was asked for that another was not. @param {{input: any, settings: any, start: any}} run
 * @param {{input: any, settings: any}} other @returns {string} "" if there is nothing
 */
export function askedWords(run, other) {
  const parts = [];
  if (!same(run.input, other.input)) {
    const text = captionOf(run.input) || run.start?.title || (run.input.shape ?? textOf(run.input));
    parts.push(t("branch.asked.input", { text: text.length > LONG ? `${text.slice(0, LONG)}…` : text }));
  }
  const names = new Set([...Object.keys(run.settings), ...Object.keys(other.settings)]);
  const changed = [...names].filter((name) => !same(run.settings[name], other.settings[name]));
  for (const name of NAMED.filter((one) => changed.includes(one) && run.settings[one] !== undefined)) {
    const value = run.settings[name];
    parts.push(t(`branch.asked.${name}`, { value: typeof value === "number" ? String(value) : value }));
  }
  const { schedule } = run.settings;
  if (changed.includes("schedule") && schedule) {
    const kind = knows(`branch.schedule.${schedule.kind}`) ? t(`branch.schedule.${schedule.kind}`) : schedule.kind;
    parts.push(t("branch.asked.schedule", { value: kind }));
  }
  if (parts.length === 0 && changed.length > 0) parts.push(t("branch.asked.other"));
  return listed(parts);
}

/** Two digits, not whole percents: small differences are the point. @param {number} value percent */
const share = (value) => percent(value / 100, number(value));

/**
 * How far the end of the main track is from the other's. @param {import("./run.js").Run} run
 * @param {import("./run.js").Run} ghost @param {number} sample @returns {string} "" while there is nothing to compare
 */
export function endWords(run, ghost, sample) {
  const found = apart(run, ghost, sample);
  if (!found) return "";
  const from = t(childIn(run, ghost) === run ? "branch.from.first" : "branch.from.branch");
  if (found.molecules !== undefined) {
    if (found.molecules < 0.005) return t("branch.apart.none", { from });
    return t("branch.apart.molecule", { value: number(found.molecules), from });
  }
  if (found.particles !== undefined) return t("branch.apart.particles", { value: number(found.particles), from });
  const { whole, low, middle, high } = found.pictures;
  if (whole === 0) return t("branch.apart.none", { from });
  return t("branch.apart.picture", {
    value: share(whole),
    from,
    low: share(low),
    middle: share(middle),
    high: share(high),
  });
}
