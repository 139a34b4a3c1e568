/** Key frames side by side, for people who asked their system for less motion. */

import { DATA_ZONE, frameAt, levelAt, stageAt } from "./timeline.js";
import { tickLabel } from "./words.js";
import { t } from "./text.js";

const COUNT = 6;
const SIDE = 96;

export class KeyFrames {
  /**
   * @param {import("./panel.js").Panel} panel @param {(u: number) => void} seek
   */
  constructor(panel, seek) {
    this.panel = panel;
    this.seek = seek;
    this.row = document.createElement("div");
    this.row.className = "keyframes";
    this.row.setAttribute("role", "group");
    this.row.setAttribute("aria-label", t("keyframes.label"));
    panel.root.querySelector(".views").after(this.row);
  }

  /** @param {import("./timeline.js").Axis} axis */
  draw(axis) {
    const { run, view } = this.panel;
    if (!run?.done) {
      this.row.replaceChildren();
      return;
    }
    const items = Array.from({ length: COUNT }, (_, k) => {
      const u = k === COUNT - 1 ? 1 : ((k + 0.5) / (COUNT - 0.5)) * (1 - DATA_ZONE);
      const level = levelAt(axis, u);
      const stage = stageAt(run.pictureStages, level);
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", u === 1 ? t("axis.data") : tickLabel(Math.round(level)));
      button.addEventListener("click", () => this.seek(u));
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = SIDE;
      button.append(canvas);
      view.thumbnail(canvas, u === 1 ? null : frameAt(stage?.frames ?? [], level), run.done.sample, this.panel.sample);
      return button;
    });
    this.row.replaceChildren(...items);
  }
}
