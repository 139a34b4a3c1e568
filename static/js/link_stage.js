/** What a link says about the look of the stage: read from it, and brought back. Fetched when one does. */

import { t, words } from "./text.js";
import { weightsOf } from "./weights.js";

/** Keys of a link that are about the look; the others stand in the form. */
export const LOOK = ["turn", "focus", "sample", "alone", "tab", "speed", "loop", "u", "dye"];

/** @typedef {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>, tabs?: import("./tabs.js").Tabs}} Parts */

const rounded = (value, digits) => String(Math.round(value * 10 ** digits) / 10 ** digits);

/** @param {Parts} parts @returns {import("./link.js").LinkState} */
export function stageState({ stage, panels, tabs }) {
  const { u, speed, loop } = stage.player;
  const samples = stage.panels.map(({ sample }) => sample + 1);
  const { focus } = stage.panels[0].root.dataset;
  const turn = panels.alphafold3?.view.turned ?? panels.alphafold3?.facing;
  const { input, settings, source } = panels.dye?.run ?? {};
  const firstTab = tabs?.tabs.find(({ hidden }) => !hidden)?.dataset.tab;
  return {
    turn: turn ? Array.from(turn, (v) => rounded(v, 3)).join() : undefined,
    focus: focus === "both" ? undefined : focus,
    sample: samples.some((k) => k > 1) ? samples.join() : undefined,
    alone: stage.panels.some(({ alone }) => alone) ? "1" : undefined,
    tab: tabs && tabs.current !== firstTab ? tabs.current : undefined,
    speed: speed === 1 ? undefined : String(speed),
    loop: loop ? "1" : undefined,
    u: rounded(u, 3),
    dye: source === "live" && input?.shape ? `${input.shape}.${settings.seed}` : undefined,
  };
}

/**
 * Looks at the stage as the link says; what is about a run waits for it.
 * @param {import("./link.js").LinkState} link @param {Parts} parts @param {boolean} runs whether the link starts runs
 * @returns {number | undefined} where the player is to stop once the runs are there
 */
export function lookAs(link, { stage, tabs }, runs) {
  if (link.speed) stage.player.speed = Number(link.speed);
  stage.player.loop = link.loop === "1";
  if (link.focus) for (const { root } of stage.panels) root.dataset.focus = link.focus;
  if (link.tab && tabs?.tabs.some(({ dataset, hidden }) => dataset.tab === link.tab && !hidden)) tabs.show(link.tab);
  const samples = (link.sample ?? "1").split(",").map((text) => Number(text) - 1);
  stage.panels.forEach((panel, i) => {
    const turn = panel.id === "alphafold3" ? unit(link.turn) : undefined;
    const source = runs ? "live" : "recorded";
    panel.due = { source, sample: samples[i] ?? samples[0], alone: link.alone === "1", turn };
  });
  return link.u === undefined ? undefined : Number(link.u);
}

/** A rotation as a link has it, of length 1 again. @param {string | undefined} text @returns {number[] | undefined} */
function unit(text) {
  const turn = (text ?? "").split(",").map(Number);
  const length = Math.hypot(...turn);
  return turn.length === 4 && length > 0.5 ? turn.map((v) => v / length) : undefined;
}

/** Sentences about what a link asks for and does not get. @type {Record<string, string[]>} values that a key knows */
const WORDS_OF = {
  preset: ["published"], twins: ["1"], profile: ["1"], loop: ["1"], alone: ["1"],
  view: ["sticks", "spheres", "cartoon"], colour: ["natural", "element", "chain", "entity", "plddt"],
  focus: ["estimate", "noisy"], theme: ["light", "dark", "projector"], speed: ["0.25", "0.5", "1", "2", "4"],
  mode: ["caption", "direct", "variations", "interpolate", "diff", "compare"],
  kind: ["smiles", "ccd", "protein", "dna", "rna", "fasta", "json"],
};

/**
 * @param {[string, string][]} bad keys and values that no key of a link can have
 * @param {{key: string, value: string, low: number, high: number}[]} outside settings beyond what the server takes
 * @param {string[]} parts names that `hide` knows
 * @returns {Promise<string>} "" if there is nothing to say
 */
export async function complaint(bad, outside, parts) {
  if (bad.length + outside.length === 0) return "";
  await words("files");
  const said = bad.map(([key, value]) => {
    const known = key === "hide" ? parts : WORDS_OF[key];
    const accepted = known ? t("link.one_of", { values: known.join(", ") }) : t(`link.form.${key}`);
    return t("link.item", { key, value: value.length > 40 ? `${value.slice(0, 40)}…` : value, accepted });
  });
  for (const { key, value, low, high } of outside)
    said.push(t("link.item", { key, value, accepted: t("link.range", { low, high }) }));
  return t("link.bad", { items: said.join("; ") });
}

/** Whether a link was made with weights that this server has no more. @param {string | undefined} v @param {import("./net.js").PipelineInfo[]} infos @param {string[]} ids */
export function otherWeights(v, infos, ids) {
  const now = weightsOf(infos, ids);
  return v !== undefined && now !== undefined && now !== v;
}
