/** The runs that a link asks for, without a form between them: what a frame in a slide starts. Pure. */

import { KINDS, guessKind, inputOf } from "./input_kind.js";
import { perPipeline } from "./link.js";
import { SAMPLES, hasTwo, inputOf as pictureInputOf } from "./picture_input.js";

const SEED_MAX = 2 ** 32 - 1;
const MOLECULES = ["alphafold3", "alphafold2"];

/**
 * @param {import("./link.js").LinkState} link @param {string} id pipeline
 * @param {import("./net.js").PipelineInfo[]} infos what the server offers
 * @returns {{input: object, settings: Record<string, any>} | null} null if the link asks nothing of it
 */
export function requestOf(link, id, infos) {
  const info = infos.find((one) => one.id === id && one.available);
  const input = info && inputFor(link, id, infos);
  if (!input) return null;
  const settings = settingsFor(link, id, info);
  if (id === "dye") Object.assign(settings, { samples: 2, ...seedOf(link.dye.split(".")[1]) });
  return { input, settings };
}

function inputFor(link, id, infos) {
  if (id === "dye") return link.dye ? { shape: link.dye.split(".")[0] } : null;
  if (MOLECULES.includes(id)) return link.molecule === undefined ? null : moleculeOf(link, infos);
  if (link.prompt === undefined) return null;
  if (id === "dalle1") return { prompt: link.prompt };
  const mode = link.mode === "compare" ? "caption" : (link.mode ?? "caption");
  const to = { text: hasTwo(mode) ? (link.to ?? "") : "", held: null };
  return pictureInputOf({ mode, from: { text: link.prompt, held: null }, to });
}

function moleculeOf({ molecule, kind, profile }, infos) {
  const read = KINDS.includes(kind) ? kind : (guessKind(molecule) ?? "smiles");
  let input;
  try {
    input = inputOf(molecule, read);
  } catch {
    return null; // it says that it is JSON, and is not
  }
  const examples = infos.find(({ id }) => id === "alphafold3")?.examples ?? [];
  const known = examples.find((one) => one.input.profile && one.input.protein === input.protein)?.input.profile;
  return profile === "1" && known !== undefined ? { ...input, profile: known } : input;
}

const seedOf = (text) => (text !== undefined && Number(text) <= SEED_MAX ? { seed: Number(text) } : {});

/** Only what the pipeline has, inside its bounds. */
function settingsFor(link, id, { settings, presets }) {
  const at = MOLECULES.includes(id) ? 1 : 0;
  const wanted = {
    steps: perPipeline(link.steps, 2)[at],
    guidance_scale: perPipeline(link.guidance, 2)[at],
    samples: perPipeline(link.samples, 2)[at] ?? (id === "dalle2" ? SAMPLES[link.mode] : undefined),
    temperature: perPipeline(link.temperature, 1)[0],
    top_k: perPipeline(link.topk, 1)[0],
  };
  const own = { dalle1: ["samples", "temperature", "top_k"], dye: [] }[id] ?? ["steps", "guidance_scale", "samples"];
  const taken = own.filter((name) => {
    const { minimum, maximum } = settings[name] ?? {};
    return maximum > minimum && wanted[name] >= minimum && wanted[name] <= maximum;
  });
  const found = { ...seedOf(link.seed), ...Object.fromEntries(taken.map((name) => [name, wanted[name]])) };
  return id === "alphafold3" && link.preset === "published" ? { ...found, ...presets?.published } : found;
}
