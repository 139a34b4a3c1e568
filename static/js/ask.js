/** The form: caption, molecule, seed, settings, examples, and the errors beside them. */

import { KINDS, guessKind, inputOf, kindOf, textOf } from "./input_kind.js";
import { perPipeline } from "./link.js";
import { t } from "./text.js";

const SEED_MAX = 2 ** 32 - 1;
/** Settings offered, per pipeline; everything else stays at the server's defaults. */
const OFFERED = ["steps", "guidance_scale", "samples"];
const FIELD = { dalle2: "prompt", alphafold3: "molecule" };
const ACCENT = { dalle2: "picture", alphafold3: "molecule" };
const byId = (id) => document.getElementById(id);

export class Ask {
  /** @param {{run: (pipelines: string[]) => void, stop: () => void}} on */
  constructor(on) {
    this.on = on;
    this.form = byId("ask");
    this.prompt = byId("prompt");
    this.molecule = byId("molecule");
    this.kind = byId("kind");
    this.seed = byId("seed");
    this.button = byId("run");
    this.running = false;
    this.kindCameAlong = true;
    /** @type {Record<string, Record<string, HTMLInputElement>>} sliders by pipeline and setting */
    this.sliders = { dalle2: {}, alphafold3: {} };
    for (const kind of ["auto", ...KINDS]) this.kind.append(new Option(t(`kind.${kind}`), kind));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.on.run(["dalle2", "alphafold3"]);
    });
    this.button.addEventListener("click", (event) => {
      // Enter in a field clicks the button as well (detail 0, not focused): that means "this one now".
      if (!this.running || (event.detail === 0 && document.activeElement !== this.button)) return;
      event.preventDefault();
      this.on.stop();
    });
    this.molecule.addEventListener("input", () => {
      // A kind that came with an example or a link says nothing about what is typed instead.
      if (this.kindCameAlong) this.kind.value = "auto";
      this.#understood();
    });
    this.kind.addEventListener("input", () => {
      this.kindCameAlong = false;
      this.#understood();
    });
    for (const [pipeline, field] of Object.entries(FIELD))
      byId(field).addEventListener("input", () => this.complain(pipeline, ""));
    byId("dice").addEventListener("click", () => {
      this.seed.value = String(Math.floor(Math.random() * 1e6));
      this.complain("seed", "");
    });
    document.addEventListener("click", (event) => {
      if (!byId("settings").contains(event.target)) byId("settings").open = false;
    });
    byId("settings").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      byId("settings").open = false;
      byId("settings").querySelector("summary").focus();
    });
    this.#understood();
  }

  /** @param {import("./link.js").LinkState} link */
  fill(link) {
    if (link.prompt !== undefined) this.prompt.value = link.prompt;
    if (link.molecule !== undefined) this.molecule.value = link.molecule;
    if (link.kind && KINDS.includes(link.kind)) this.kind.value = link.kind;
    this.kindCameAlong = true;
    if (link.seed !== undefined) this.seed.value = link.seed;
    this.wanted = link;
    this.#understood();
  }

  /** What a recorded run or an example asks. @param {string} pipeline @param {any} input @param {number} [seed] */
  fillFrom(pipeline, input, seed) {
    if (seed !== undefined && this.wanted?.seed === undefined) this.seed.value = String(seed);
    if (pipeline === "dalle2") this.prompt.value = input.prompt;
    else {
      this.molecule.value = textOf(input);
      this.kind.value = guessKind(this.molecule.value) === kindOf(input) ? "auto" : kindOf(input);
      this.kindCameAlong = true;
      this.#understood();
    }
  }

  /** @returns {import("./link.js").LinkState} */
  state() {
    const value = (pipeline, name) => this.sliders[pipeline][name];
    const changed = (name) => {
      const given = ["dalle2", "alphafold3"].map((pipeline) => value(pipeline, name)).filter(Boolean);
      if (given.every((slider) => slider.value === slider.dataset.default)) return undefined;
      return [...new Set(given.map((slider) => slider.value))].join(",");
    };
    return {
      prompt: this.prompt.value,
      molecule: this.molecule.value,
      kind: this.kind.value === "auto" ? undefined : this.kind.value,
      seed: this.seed.value,
      steps: changed("steps"),
      guidance: changed("guidance_scale"),
    };
  }

  #kind() {
    return this.kind.value === "auto" ? guessKind(this.molecule.value) : this.kind.value;
  }

  #understood() {
    const kind = this.#kind();
    const text = this.molecule.value.trim();
    const count = text.replace(/^>.*$/gm, "").replace(/[^A-Za-z]/g, "").length;
    const key = kind && ["smiles", "ccd", "protein", "json"].includes(kind) ? kind : "none";
    this.kind.options[0].textContent =
      kind && this.kind.value === "auto" ? t("kind.guess", { kind: t(`kind.${kind}`) }) : t("kind.auto");
    byId("understood").textContent = t(`understood.${key}`, { code: text.toUpperCase(), count });
  }

  /**
   * What to run, or null after a complaint. @param {string} pipeline
   * @returns {{input: object, settings: object} | null}
   */
  request(pipeline) {
    const seed = Number(this.seed.value);
    if (!/^\d+$/.test(this.seed.value.trim()) || seed > SEED_MAX) {
      this.complain("seed", t("error.empty_seed", { max: SEED_MAX }));
      return null;
    }
    this.complain("seed", "");
    this.complain(pipeline, "");
    const settings = { seed };
    for (const [name, slider] of Object.entries(this.sliders[pipeline])) settings[name] = Number(slider.value);
    if (pipeline === "dalle2") return { input: { prompt: this.prompt.value }, settings };
    try {
      return { input: inputOf(this.molecule.value, this.#kind() ?? "smiles"), settings };
    } catch {
      const accepted = t("error.json_accepted", {
        example: '{"sequences":[{"ligand":{"id":"L","ccdCodes":["ATP"]}}]}',
      });
      this.complain(pipeline, t("error.field", { message: t("error.json"), accepted }));
      return null;
    }
  }

  /** Says beside a field what is wrong; "" takes it back. @param {string} place pipeline or "seed" */
  complain(place, text) {
    const field = FIELD[place] ?? "seed";
    const box = byId(`${field}-error`);
    box.textContent = text;
    box.hidden = text === "";
    byId(field).setAttribute("aria-invalid", String(text !== ""));
  }

  /** @param {import("./net.js").PipelineInfo[]} infos */
  offer(infos) {
    const steps = perPipeline(this.wanted?.steps, 2);
    const guidance = perPipeline(this.wanted?.guidance, 2);
    const groups = ["dalle2", "alphafold3"].flatMap((pipeline, i) => {
      const info = infos.find(({ id }) => id === pipeline);
      if (!info?.available) return [];
      this.#chips(pipeline, info.examples);
      const wanted = { steps: steps[i], guidance_scale: guidance[i] };
      return [this.#group(pipeline, info.settings, wanted)];
    });
    const hints = ["steps", "guidance_scale"].map((name) => element("p", "hint", t(`settings.hint.${name}`)));
    byId("settings-form").replaceChildren(...groups, ...hints);
  }

  #group(pipeline, settings, wanted) {
    const group = element("fieldset", "", "");
    group.dataset.accent = ACCENT[pipeline];
    group.append(element("legend", "", t(`${pipeline}.title`)));
    for (const name of OFFERED) {
      const { default: value, minimum, maximum } = settings[name] ?? {};
      if (!(maximum > minimum)) continue;
      const row = element("label", "row", "");
      const slider = document.createElement("input");
      const step = name === "guidance_scale" ? 0.5 : 1;
      // A slider up to 400 steps would be all but useless below 50: offer four times the default.
      const top = name === "steps" ? Math.min(maximum, 4 * value) : maximum;
      Object.assign(slider, { type: "range", min: String(minimum), max: String(top), step: String(step) });
      slider.value = String(wanted[name] ?? this.sliders[pipeline][name]?.value ?? value);
      slider.dataset.default = String(value);
      const output = element("output", "", slider.value);
      slider.addEventListener("input", () => (output.textContent = slider.value));
      row.append(element("span", "", t(`settings.${name}`)), slider, output);
      this.sliders[pipeline][name] = slider;
      group.append(row);
    }
    return group;
  }

  #chips(pipeline, examples) {
    const buttons = examples.map(({ label, input }) => {
      const chip = element("button", "", label);
      chip.type = "button";
      chip.addEventListener("click", () => {
        this.fillFrom(pipeline, input);
        this.on.run([pipeline]);
      });
      return chip;
    });
    const row = byId(`${FIELD[pipeline]}-examples`);
    row.replaceChildren(...buttons);
    // For the mouse only: by keyboard the row scrolls with the focus, by touch it is swiped.
    const more = element("span", "more-chips", "");
    more.setAttribute("aria-hidden", "true");
    more.addEventListener("click", () => {
      const end = row.scrollLeft + row.clientWidth >= row.scrollWidth - 2;
      row.scrollTo({ left: end ? 0 : row.scrollLeft + 0.8 * row.clientWidth, behavior: "smooth" });
    });
    row.nextElementSibling?.remove();
    row.after(more);
    more.hidden = row.scrollWidth <= row.clientWidth;
  }

  /** @param {boolean} running */
  setRunning(running) {
    this.running = running;
    this.button.dataset.state = running ? "running" : "idle";
    this.button.querySelector("span").textContent = t(running ? "run.stop" : "run");
  }
}

function element(name, className, text) {
  return Object.assign(document.createElement(name), { className, textContent: text });
}
