/** What both schedules draw: caption, molecule, seed, and what the server makes of them before anything runs. */

import { chips } from "./chips.js";
import { KINDS, guessKind, inputOf, kindOf, textOf } from "./input_kind.js";
import { Refused, plan } from "./net.js";
import { said, toldExamples } from "./sentences.js";
import { t } from "./text.js";

/**
 * @typedef {import("./lab_chart.js").Model & {panel: string, field: "prompt" | "molecule",
 *   info: import("./net.js").PipelineInfo | null}} LabModel  sigmaData null: the input is not understood
 */

const SEED_MAX = 2 ** 32 - 1;
const WAIT = 350; // ms after the last key before the server is asked what a molecule is
const EXAMPLES = 6;
const FIELDS = ["prompt", "molecule", "kind", "seed"];
const byId = (id) => document.getElementById(id);

export class Asked {
  /**
   * @param {LabModel[]} models @param {import("./link.js").LinkState} link
   * @param {{changed: () => void, run: () => void, trouble: (text: string) => void}} on changed: after a pause in typing,
   *   when the server has been asked
   */
  constructor(models, link, on) {
    this.models = models;
    this.on = on;
    this.turn = 0;
    byId("kind").append(...["auto", ...KINDS].map((kind) => new Option(t(`kind.${kind}`), kind)));
    for (const id of FIELDS) if (link[id] !== undefined) byId(id).value = link[id];
    let later = 0;
    for (const id of FIELDS)
      byId(id).addEventListener("input", () => {
        clearTimeout(later);
        later = setTimeout(() => this.plan().then(on.changed), WAIT);
      });
    byId("dice").addEventListener("click", () => {
      byId("seed").value = String(Math.floor(Math.random() * 1e6));
      this.complain("seed", "");
      on.changed();
    });
  }

  /** As the address holds it. @returns {import("./link.js").LinkState} */
  get state() {
    const kind = byId("kind").value;
    const [prompt, molecule, seed] = ["prompt", "molecule", "seed"].map((id) => byId(id).value.trim());
    return { prompt, molecule, kind: kind === "auto" ? "" : kind, seed };
  }

  /** @returns {number | null} null after a complaint */
  get seed() {
    const { seed } = this.state;
    const fits = /^\d{1,10}$/.test(seed) && Number(seed) <= SEED_MAX;
    this.complain("seed", fits ? "" : t("error.message", { message: t("error.empty_seed", { max: SEED_MAX }) }));
    return fits ? Number(seed) : null;
  }

  /** The input of a run. @param {string} id of a model @throws {SyntaxError} what is read as JSON and is not */
  input(id) {
    const { prompt, molecule, kind } = this.state;
    return id === "dalle2" ? { prompt } : inputOf(molecule, kind || guessKind(molecule) || "smiles");
  }

  /** What an example asks. @param {string} id of a model @param {any} input */
  #fill(id, input) {
    if (id === "dalle2") {
      byId("prompt").value = input.prompt ?? "";
      return;
    }
    const text = textOf(input);
    byId("molecule").value = text;
    byId("kind").value = guessKind(text) === kindOf(input) ? "auto" : kindOf(input);
  }

  /** @param {string} field @param {string} text "" takes it back */
  complain(field, text) {
    const box = byId(`${field}-error`);
    box.textContent = text;
    box.hidden = text === "";
    byId(field).setAttribute("aria-invalid", String(text !== ""));
  }

  /** Models that can be asked now. */
  get ready() {
    return this.models.filter(({ info, sigmaData }) => info?.available && sigmaData);
  }

  /** Examples, and the first of them where nothing was asked for. */
  offer() {
    for (const { id, field, info } of this.models) {
      const examples = info?.examples ?? [];
      if (this.state[field] === "" && examples.length > 0) this.#fill(id, examples[0].input);
      toldExamples(examples.slice(0, EXAMPLES)).then((told) =>
        chips(byId(`${field}-examples`), told, (input) => {
          this.#fill(id, input);
          this.on.run();
        }),
      );
    }
  }

  /** Asks what the models make of the input: the spread of its data, and what they were trained at. */
  async plan() {
    const turn = ++this.turn;
    const told = await Promise.all(this.models.filter(({ info }) => info?.available).map((model) => this.#plan(model)));
    if (turn !== this.turn) return;
    for (const { model, stage, complaint } of told) {
      Object.assign(model, { sigmaData: stage?.sigma_data ?? null, trained: stage?.trained });
      this.complain(model.field, complaint);
    }
  }

  async #plan(model) {
    try {
      const { stages } = await plan(model.id, this.input(model.id), { seed: 0 });
      return { model, stage: stages.find(({ name }) => name !== "prior"), complaint: "" };
    } catch (error) {
      if (error instanceof SyntaxError) return { model, complaint: t("error.message", { message: t("error.json") }) };
      if (!(error instanceof Refused)) throw error;
      if (error.status === 0) this.on.trouble(t("error.unreachable"));
      return { model, complaint: error.status === 0 ? "" : await refusal(error) };
    }
  }
}

/** @param {Refused} error */
async function refusal({ problems: [{ message = "", accepted = "" } = {}] }) {
  const whole = t("error.this", { message: await said(message) });
  return accepted ? t("error.field", { message: whole, accepted: await said(accepted) }) : t("error.message", { message: whole });
}
