/** The form's part for molecules: what was typed and how it is read, examples, the twin, related sequences. */

import { chips } from "./chips.js";
import { KINDS, countOf, guessKind, inputOf, kindOf, textOf } from "./input_kind.js";
import { Late } from "./late.js";
import { toldExamples } from "./sentences.js";
import { t } from "./text.js";

const byId = (id) => document.getElementById(id);
const SHOWN = 8; // examples beside the field; the library has all

export class MoleculeField {
  /** @param {{run: () => void, moded: () => void, typed: () => void}} on moded: AlphaFold 2 comes or goes */
  constructor(on) {
    this.on = on;
    this.text = byId("molecule");
    this.kind = byId("kind");
    this.twin = byId("molecule-mode");
    this.profile = byId("profile");
    this.kindCameAlong = true;
    /** @type {import("./library.js").Example[]} */
    this.examples = [];
    for (const kind of ["auto", ...KINDS]) this.kind.append(new Option(t(`kind.${kind}`), kind));
    this.text.addEventListener("input", () => {
      // A kind that came with an example or a link says nothing about what is typed instead.
      if (this.kindCameAlong) this.kind.value = "auto";
      this.#understood();
      on.typed();
    });
    // A field of one line would join the lines of a pasted FASTA file.
    this.text.addEventListener("paste", (event) => {
      const pasted = event.clipboardData?.getData("text/plain") ?? "";
      if (!/\n\s*\S/.test(pasted) || !pasted.trim().startsWith(">")) return;
      event.preventDefault();
      this.text.value = pasted.trim().replace(/\s*\n\s*/g, " ⏎ ");
      this.text.dispatchEvent(new Event("input"));
    });
    this.kind.addEventListener("input", () => {
      this.kindCameAlong = false;
      this.#understood();
    });
    this.twin.addEventListener("click", () => this.setMode(this.mode === "compare" ? "alone" : "compare"));
    this.profile.addEventListener("click", () => {
      this.profile.setAttribute("aria-pressed", String(!this.#profiled));
    });
    const chosen = ({ input }) => {
      this.fillFrom(input);
      on.run();
    };
    this.library = new Late(async () => new (await import("./library.js")).Library(byId("library"), chosen));
    byId("library-open").addEventListener("click", async () => (await this.library.want()).open());
    this.#understood();
  }

  /** "compare": AlphaFold 2 beside 3. @returns {"alone" | "compare"} */
  get mode() {
    return this.twin.getAttribute("aria-pressed") === "true" ? "compare" : "alone";
  }

  /** @param {"alone" | "compare"} mode */
  setMode(mode) {
    if (mode === this.mode) return;
    this.twin.setAttribute("aria-pressed", String(mode === "compare"));
    this.on.moded();
  }

  get #profiled() {
    return this.profile.getAttribute("aria-pressed") === "true";
  }

  /** @param {import("./link.js").LinkState} link */
  fill(link) {
    if (link.molecule !== undefined) this.text.value = link.molecule;
    if (link.kind && KINDS.includes(link.kind)) this.kind.value = link.kind;
    if (link.profile === "1") this.profile.setAttribute("aria-pressed", "true");
    this.setMode(link.twins === "1" ? "compare" : this.mode);
    this.kindCameAlong = true;
    this.#understood();
  }

  /** @param {any} input of an example or a recorded run */
  fillFrom(input) {
    this.text.value = textOf(input);
    this.kind.value = guessKind(this.text.value) === kindOf(input) ? "auto" : kindOf(input);
    this.profile.setAttribute("aria-pressed", String(Boolean(input.profile)));
    this.kindCameAlong = true;
    this.#understood();
  }

  /** @returns {import("./link.js").LinkState} */
  state() {
    return {
      molecule: this.text.value,
      kind: this.kind.value === "auto" ? undefined : this.kind.value,
      twins: this.mode === "compare" ? "1" : undefined,
      profile: this.#profiled && !this.profile.hidden ? "1" : undefined,
    };
  }

  /** What is asked for. @throws {SyntaxError} when it is read as JSON and is not */
  get input() {
    const input = inputOf(this.text.value, this.#kind() ?? "smiles");
    const known = this.#profileOf(input.protein);
    return known !== undefined && this.#profiled ? { ...input, profile: known } : input;
  }

  #kind() {
    return this.kind.value === "auto" ? guessKind(this.text.value) : this.kind.value;
  }

  /** The related sequences that an example has for a protein. @param {string | undefined} sequence */
  #profileOf(sequence) {
    if (!sequence) return undefined;
    return this.examples.find(({ input }) => input.profile && input.protein === sequence)?.input.profile;
  }

  #understood() {
    const kind = this.#kind();
    const text = this.text.value.trim();
    const key = kind && KINDS.includes(kind) ? kind : "none";
    this.kind.options[0].textContent =
      kind && this.kind.value === "auto" ? t("kind.guess", { kind: t(`kind.${kind}`) }) : t("kind.auto");
    byId("understood").textContent = t(`understood.${key}`, { code: text.toUpperCase(), count: countOf(text, kind) });
    const sequence = kind === "protein" ? inputOf(text, kind).protein : undefined;
    this.profile.hidden = this.#profileOf(sequence) === undefined;
  }

  /** @param {import("./library.js").Example[]} examples @param {boolean} twin whether AlphaFold 2 is there */
  offer(examples, twin) {
    this.examples = examples;
    this.twin.hidden = !twin;
    if (!twin) this.setMode("alone");
    const more = byId("library-open");
    more.textContent = t("library.open", { count: examples.length });
    more.hidden = examples.length <= SHOWN;
    toldExamples(examples).then((told) => {
      this.library.tell("offer", told);
      chips(byId("molecule-examples"), told.length > SHOWN ? firsts(told) : told, (input) => {
        this.fillFrom(input);
        this.on.run();
      });
    });
    this.#understood();
  }
}

/** The first of every group, then the second of every group. @param {import("./library.js").Example[]} examples */
function firsts(examples) {
  const groups = [...Map.groupBy(examples, ({ group }) => group ?? "").values()];
  const rows = Array.from({ length: SHOWN }, (_, k) => groups.map((members) => members[k]).filter(Boolean));
  return rows.flat().slice(0, SHOWN);
}
