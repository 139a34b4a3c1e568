/** The form: the picture's fields, molecule, seed, settings, examples, and the errors beside them. */

import { chips } from "./chips.js";
import { perPipeline } from "./link.js";
import { MoleculeField } from "./molecule_field.js";
import { PictureField } from "./picture_field.js";
import { MODES, SAMPLES, askedOf, blamed, inputOf as pictureInputOf } from "./picture_input.js";
import { t } from "./text.js";

const SEED_MAX = 2 ** 32 - 1;
/** Settings offered, per pipeline; everything else stays at the server's defaults. */
const OFFERED = {
  dalle2: ["steps", "guidance_scale", "samples"],
  alphafold3: ["steps", "guidance_scale", "samples"],
  dalle1: ["temperature", "top_k"],
};
const FIELD = { dalle2: "prompt", dalle1: "prompt", alphafold3: "molecule", alphafold2: "molecule" };
const ACCENT = { dalle2: "picture", dalle1: "tokens", alphafold3: "molecule" };
const byId = (id) => document.getElementById(id);

export class Ask {
  /**
   * @param {{run: (pipelines: string[]) => void, stop: () => void, moded: (mode: string) => void,
   *   twinned: (on: boolean) => void, say: (text: string) => void,
   *   dropped: (files: File[], asPicture: ((file: File) => void) | null) => void}} on
   */
  constructor(on) {
    this.on = on;
    this.form = byId("ask");
    this.prompt = byId("prompt");
    this.seed = byId("seed");
    this.button = byId("run");
    this.running = false;
    /** What a link asked for beyond what the server takes @type {{key: string, value: string, low: number, high: number}[]} */
    this.outside = [];
    /** @type {Record<string, Record<string, HTMLInputElement>>} sliders by pipeline and setting */
    this.said = {};
    this.sliders = { dalle2: {}, alphafold3: {}, dalle1: {} };
    this.picture = new PictureField({
      complain: (text, which) => {
        this.said.dalle1 = "";
        this.complain("dalle2", text, which);
      },
      moded: () => this.#moded(),
      run: () => this.on.run(["dalle2"]),
      say: (text) => this.on.say(text),
      dropped: (files, asPicture) => this.on.dropped(files, asPicture),
    });
    this.molecules = new MoleculeField({
      run: () => this.on.run(this.pipelines.filter((id) => FIELD[id] === "molecule")),
      moded: () => this.on.twinned(this.molecules.mode === "compare"),
      typed: () => this.complain("alphafold3", ""),
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.on.run(this.pipelines);
    });
    this.button.addEventListener("click", (event) => {
      // Enter in a field clicks the button as well (detail 0, not focused): that means "this one now".
      if (!this.running || (event.detail === 0 && document.activeElement !== this.button)) return;
      event.preventDefault();
      this.on.stop();
    });
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
  }

  /** What Run starts. @returns {string[]} */
  get pipelines() {
    if (this.picture.mode === "compare") return ["dalle2", "dalle1"];
    return [this.molecules.mode === "compare" ? "alphafold2" : "dalle2", "alphafold3"];
  }

  /** @param {"alone" | "compare"} mode of molecules: AlphaFold 3, or 2 beside it */
  setMoleculeMode(mode) {
    this.molecules.setMode(mode);
  }

  /** A mode that draws several samples asks for several; the others get back what was set. */
  #moded() {
    if (!this.picture) return; // the field is still being made
    const { mode } = this.picture;
    const slider = this.sliders.dalle2.samples;
    if (slider) {
      if (this.ownSamples === undefined) this.ownSamples = slider.value;
      const wanted = Math.max(SAMPLES[mode] ?? 1, Number(this.ownSamples));
      if (!(mode in SAMPLES)) this.ownSamples = undefined;
      slider.value = String(wanted);
      slider.dispatchEvent(new Event("input"));
    }
    this.on.moded(mode);
  }

  /** @param {import("./link.js").LinkState} link */
  fill(link) {
    if (MODES.includes(link.mode)) this.picture.setMode(link.mode);
    if (link.prompt !== undefined) this.prompt.value = link.prompt;
    if (link.to !== undefined) byId("prompt-to").value = link.to;
    this.molecules.fill(link);
    if (link.seed !== undefined) this.seed.value = link.seed;
    this.wanted = link;
  }

  /** What a recorded run or an example asks. @param {string} pipeline @param {any} input @param {number} [seed] */
  fillFrom(pipeline, input, seed) {
    if (seed !== undefined && this.wanted?.seed === undefined) this.seed.value = String(seed);
    if (pipeline === "dalle1") return;
    if (pipeline === "dalle2") {
      const asked = askedOf(input);
      // A caption fits the comparison as well.
      if (asked.mode === "caption" && this.picture.mode === "compare") asked.mode = "compare";
      this.picture.fill(asked);
    } else this.molecules.fillFrom(input);
  }

  /** @returns {import("./link.js").LinkState} */
  state() {
    const value = (pipeline, name) => this.sliders[pipeline][name];
    const changed = (name) => {
      const given = ["dalle2", "alphafold3"].map((pipeline) => value(pipeline, name)).filter(Boolean);
      if (given.every((slider) => slider.value === slider.dataset.default)) return undefined;
      return [...new Set(given.map((slider) => slider.value))].join(",");
    };
    const moved = (name) => {
      const slider = value("dalle1", name);
      return slider && slider.value !== slider.dataset.default ? slider.value : undefined;
    };
    const { mode, from, to } = this.picture.asked;
    return {
      mode: mode === "caption" ? undefined : mode,
      prompt: from.text,
      to: to.text || undefined,
      ...this.molecules.state(),
      seed: this.seed.value,
      steps: changed("steps"),
      guidance: changed("guidance_scale"),
      samples: changed("samples"),
      temperature: moved("temperature"),
      topk: moved("top_k"),
      preset: this.published?.box.checked ? "published" : undefined,
    };
  }

  /** Whether a picture stands in a field: it is not in the link. */
  get holdsPicture() {
    const { from, to } = this.picture.asked;
    return Boolean(from.held || to.held);
  }

  /**
   * What to run, or null after a complaint. @param {string} pipeline
   * @returns {{input: object, settings: object} | null}
   */
  request(pipeline) {
    if (!this.#seeded) {
      this.complain("seed", t("error.empty_seed", { max: SEED_MAX }));
      return null;
    }
    this.complain("seed", "");
    this.complain(pipeline, "");
    if (pipeline === "dalle2") this.complain("dalle1", "");
    const asked = this.peek(pipeline);
    if (asked) return asked;
    const accepted = t("error.json_accepted", {
      example: '{"sequences":[{"ligand":{"id":"L","ccdCodes":["ATP"]}}]}',
    });
    this.complain(pipeline, t("error.field", { message: t("error.json"), accepted }));
    return null;
  }

  get #seeded() {
    return /^\d+$/.test(this.seed.value.trim()) && Number(this.seed.value) <= SEED_MAX;
  }

  /** Settings of the box for the paper's own sampler. @returns {Record<string, any> | undefined} */
  get preset() {
    return this.published?.settings;
  }

  /** Settings whose sliders stand where they stood at first. @param {string} pipeline @returns {string[]} */
  untouched(pipeline) {
    const sliders = Object.entries(this.sliders[pipeline] ?? {});
    // A slider without a say is none that nobody touched.
    const resting = sliders.filter(([, { value, dataset, disabled }]) => !disabled && value === dataset.default);
    return resting.map(([name]) => name);
  }

  /**
   * What the form says, without a word about it; null where that cannot be run. @param {string} pipeline
   * @returns {{input: object, settings: Record<string, any>} | null}
   */
  peek(pipeline) {
    if (!this.#seeded) return null;
    const settings = { seed: Number(this.seed.value) };
    for (const [name, slider] of Object.entries(this.sliders[pipeline] ?? {})) settings[name] = Number(slider.value);
    if (pipeline === "alphafold3" && this.published?.box.checked) Object.assign(settings, this.published.settings);
    if (pipeline === "dalle1") {
      if (this.sliders.dalle2.samples) settings.samples = Number(this.sliders.dalle2.samples.value);
      return { input: { prompt: this.prompt.value }, settings };
    }
    if (pipeline === "dalle2") return { input: pictureInputOf(this.picture.asked), settings };
    try {
      return { input: this.molecules.input, settings };
    } catch {
      return null; // it is read as JSON and is none
    }
  }

  /**
   * Says beside a field what is wrong; "" takes it back. @param {string} place pipeline or "seed"
   * @param {string} text @param {string} [path] the refused field as the server names it, or from | to
   */
  complain(place, text, path = "") {
    const field = FIELD[place] ?? "seed";
    this.said[place] = text;
    // Two models may share a field: what one complains of stays when the other is content.
    const others = this.molecules ? this.pipelines.filter((id) => FIELD[id] === field) : [];
    text ||= others.map((id) => this.said[id]).find(Boolean) ?? "";
    const box = byId(`${field}-error`);
    box.textContent = text;
    box.hidden = text === "";
    const ends = field === "prompt" ? ["prompt", "prompt-to"] : [field];
    const at = ends[blamed(path === "to" ? ".to" : path) === "to" ? 1 : 0] ?? field;
    for (const id of ends) byId(id).setAttribute("aria-invalid", String(text !== "" && id === at));
  }

  /** @param {import("./net.js").PipelineInfo[]} infos */
  offer(infos) {
    const steps = perPipeline(this.wanted?.steps, 2);
    const guidance = perPipeline(this.wanted?.guidance, 2);
    const samples = perPipeline(this.wanted?.samples, 2);
    const [temperature] = perPipeline(this.wanted?.temperature, 1);
    const [topK] = perPipeline(this.wanted?.topk, 1);
    this.outside = [];
    const has = (wanted) => infos.some(({ id }) => id === wanted); // it may still be loading
    const groups = ["dalle2", "alphafold3", "dalle1"].flatMap((pipeline, i) => {
      const info = infos.find(({ id }) => id === pipeline);
      if (!info?.available) return [];
      if (pipeline === "dalle2")
        chips(byId("prompt-examples"), info.examples, (input) => {
          this.fillFrom("dalle2", input);
          this.on.run(["dalle2"]);
        });
      if (pipeline === "alphafold3") this.molecules.offer(info.examples, has("alphafold2"));
      const wanted = { steps: steps[i], guidance_scale: guidance[i], samples: samples[i], temperature, top_k: topK };
      return [this.#group(pipeline, info, wanted)];
    });
    this.picture.offer("compare", has("dalle1"));
    if (SAMPLES[this.picture.mode] && samples[0] === undefined) this.#moded();
    const hints = ["steps", "guidance_scale"].map((name) => element("p", "hint", t(`settings.hint.${name}`)));
    byId("settings-form").replaceChildren(...groups, ...hints);
  }

  #group(pipeline, { settings, presets }, wanted) {
    const group = element("fieldset", "", "");
    group.dataset.accent = ACCENT[pipeline];
    group.append(element("legend", "", t(`${pipeline}.title`)));
    for (const name of OFFERED[pipeline]) {
      const { default: value, minimum, maximum } = settings[name] ?? {};
      if (!(maximum > minimum)) continue;
      const row = element("label", "row", "");
      const slider = document.createElement("input");
      const step = { guidance_scale: 0.5, temperature: 0.05 }[name] ?? 1;
      // A slider up to 400 steps would be all but useless below 50: offer four times the default.
      const usual = name === "steps" ? Math.min(maximum, 4 * value) : maximum;
      const asked = wanted[name];
      if (asked !== undefined && !(asked >= minimum && asked <= maximum))
        this.outside.push({ key: name, value: String(asked), low: minimum, high: maximum });
      const top = Math.min(maximum, Math.max(usual, asked ?? 0)); // a link may ask for more
      Object.assign(slider, { type: "range", min: String(minimum), max: String(top), step: String(step) });
      slider.value = String(wanted[name] ?? this.sliders[pipeline][name]?.value ?? value);
      slider.dataset.default = String(value);
      const shown = () => slider.valueAsNumber.toLocaleString(document.documentElement.lang || "en");
      const output = element("output", "", shown());
      slider.addEventListener("input", () => (output.textContent = shown()));
      row.append(element("span", "", t(`settings.${name}`)), slider, output);
      this.sliders[pipeline][name] = slider;
      group.append(row);
    }
    if (presets?.published) group.append(this.#published(presets.published));
    return group;
  }

  /** The paper's own sampler, slower and without the sliders' say in it. @param {object} settings */
  #published(settings) {
    const row = element("label", "row preset", "");
    const held = this.published?.box.checked ?? this.wanted?.preset === "published";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: held });
    this.published = { box, settings };
    const free = () => (this.sliders.alphafold3.steps.disabled = box.checked);
    box.addEventListener("input", free);
    free();
    row.append(box, element("span", "", t("settings.published", { steps: settings.steps })));
    return row;
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
