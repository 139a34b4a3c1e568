/** The dye drop's own controls: which shape the particles are drawn from, and "stir again". */

import { knows, t } from "./text.js";

const byId = (id) => document.getElementById(id);

export class Dye {
  /** @param {(input: object, settings: object) => void} go */
  constructor(go) {
    this.go = go;
    this.input = {};
    byId("dye-run").addEventListener("click", () => this.stir());
  }

  stir() {
    this.go(this.input, { seed: Math.floor(Math.random() * 1e6) });
  }

  /** @param {import("./net.js").PipelineInfo | undefined} info */
  offer(info) {
    const buttons = (info?.available ? info.examples : []).map(({ label, input }) => {
      const text = knows(`dye.${label}`) ? t(`dye.${label}`) : label;
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => {
        this.input = input;
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        this.stir();
      });
      button.setAttribute("aria-pressed", "false");
      return button;
    });
    byId("dye-shapes").replaceChildren(...buttons);
    byId("dye-run").disabled = buttons.length === 0;
  }

  /** @param {string} text "" takes it back */
  complain(text) {
    Object.assign(byId("dye-error"), { textContent: text, hidden: text === "" });
  }
}
