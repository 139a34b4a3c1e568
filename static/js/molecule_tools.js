/** The small bar over the molecule: how it is drawn and in which colours. One wish for all panels. */

import { modesOf } from "./molecule_colours.js";
import { stylesOf } from "./molecule_look.js";
import { t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
/** Icons: three joined atoms, two balls, a wound ribbon. */
const ICONS = {
  sticks: "M5 17 11 8l8 4M5 17v.01M11 8v.01M19 12v.01",
  spheres: "M9 8a5 5 0 1 0 .01 0M16 6a4 4 0 1 0 .01 0",
  cartoon: "M4 17c3-9 5 3 8-5s5 3 8-5M4 12c3-9 5 3 8-5",
};

/** What visitors wish, whatever is shown; null: what suits the molecule. */
export class Wishes {
  /** @param {{style?: string | null, colour?: string | null}} given */
  constructor({ style = null, colour = null }) {
    this.style = style;
    this.colour = colour;
    /** @type {(() => void)[]} */
    this.listeners = [];
  }

  /** @param {{style?: string, colour?: string}} wish */
  set(wish) {
    Object.assign(this, wish);
    for (const listener of this.listeners) listener();
  }
}

export class MoleculeTools {
  /** @param {HTMLElement} figure @param {Wishes} wishes */
  constructor(figure, wishes) {
    this.wishes = wishes;
    this.bar = document.createElement("div");
    this.bar.className = "view-tools";
    this.bar.hidden = true;
    this.group = Object.assign(document.createElement("div"), { className: "style-switch" });
    this.group.setAttribute("role", "group");
    this.group.setAttribute("aria-label", t("look.style"));
    this.colours = document.createElement("select");
    this.colours.setAttribute("aria-label", t("look.colour"));
    this.colours.title = t("look.colour");
    this.colours.addEventListener("input", () => wishes.set({ colour: this.colours.value }));
    this.bar.append(this.group, this.colours);
    figure.append(this.bar);
  }

  /** @param {import("./molecule.js").Molecule} molecule @param {import("./molecule_look.js").Look} look @param {boolean} scored */
  show(molecule, look, scored) {
    this.bar.hidden = false;
    const held = this.group.contains(document.activeElement) ? document.activeElement.dataset.style : null;
    this.group.replaceChildren(
      ...stylesOf(molecule).map((style) => {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", title: t(`look.${style}`) });
        button.dataset.style = style;
        button.setAttribute("aria-label", t(`look.${style}`));
        button.setAttribute("aria-pressed", String(style === look.style));
        button.addEventListener("click", () => this.wishes.set({ style }));
        button.append(icon(ICONS[style]));
        return button;
      }),
    );
    if (held) this.group.querySelector(`[data-style="${held}"]`)?.focus();
    const modes = modesOf(molecule, scored);
    const listed = [...this.colours.options].map(({ value }) => value);
    if (modes.join() !== listed.join())
      this.colours.replaceChildren(
        ...modes.map((mode) => new Option(t(mode === "natural" && !molecule.ribbon ? "colour.element" : `colour.${mode}`), mode)),
      );
    this.colours.value = look.mode;
    this.colours.hidden = modes.length < 2;
  }

  hide() {
    this.bar.hidden = true;
  }
}

function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}
