/** Everything about the molecule below the player, and AlphaFold 2 beside it. */

import { Late } from "./late.js";
import { after, widestView } from "./orientation.js";
import { t } from "./text.js";

const byId = (id) => document.getElementById(id);

export class MoleculeSide {
  /**
   * @param {Record<string, import("./panel.js").Panel>} panels @param {import("./stage.js").Stage} stage
   * @param {import("./tabs.js").Tabs} tabs
   * @param {{redraw: () => void, record: (panel: import("./panel.js").Panel) => void}} on redraw: other panels want
   *   another chart; record: shows a panel's recorded run, if there is one
   */
  constructor(panels, stage, tabs, on) {
    this.panels = panels;
    this.stage = stage;
    this.tabs = tabs;
    this.on = on;
    const { alphafold3, alphafold2 } = panels;
    this.near = new Late(async () => {
      const { NearView } = await import("./near_view.js");
      const pointed = (atoms) => {
        alphafold3.view.marks.mark(atoms);
        alphafold3.view.paired(atoms);
      };
      return new NearView(byId("near-panel"), { pointed });
    });
    this.measured = new Late(async () => {
      const { MeasuredChart } = await import("./measured_chart.js");
      const chart = new MeasuredChart(byId("measured"), byId("measured-frame"));
      return { draw: (...given) => chart.draw(...given).catch(() => {}) }; // without Plotly its table remains
    });
    this.twins = new Late(async () => {
      const [{ Compare }, { TWINS, together }] = await Promise.all([
        import("./compare.js"),
        import("./compare_molecules.js"),
      ]);
      this.together = together;
      return new Compare(byId("twins-panel"), TWINS);
    });
    alphafold3.view.pointed = (atom) => this.near.tell("show", atom);
    alphafold3.moved = (shown) => this.near.tell("move", shown);
    for (const panel of [alphafold3, alphafold2]) panel.chosen = () => this.show();
    tabs.opened.push((id) => {
      this.near.tell("turn", id === "near");
      if (id === "near") this.near.want();
      if (id === "twins") this.twins.tell("open");
    });
  }

  /** Another run, sample or answer. */
  show() {
    const { run, sample, view } = this.panels.alphafold3;
    this.near.tell("follow", view, run, sample);
    if (this.comparing) this.#compare();
  }

  async #compare() {
    const { view } = this.panels.alphafold3;
    this.twins.tell("show", this.panels);
    await this.twins.want();
    // Both answers are seen from the same side.
    const laid = this.together(this.panels);
    if (!laid) return;
    const side = widestView(laid.onto);
    view.face(side);
    this.panels.alphafold2.view.face(after(laid.turn, side));
  }

  get comparing() {
    return document.body.dataset.twins === "on";
  }

  /** Two answers to one molecule, or a picture and a molecule. @param {boolean} on */
  setTwins(on) {
    if (on === this.comparing) return;
    const { dalle2, alphafold2, alphafold3 } = this.panels;
    document.body.dataset.twins = on ? "on" : "off";
    dalle2.root.hidden = on;
    alphafold2.root.hidden = !on;
    byId("twins-words").hidden = !on;
    byId("picture-field").hidden = on;
    alphafold3.call(on ? "twins.alphafold3" : "alphafold3.title");
    const names = on ? ["twins.alphafold2", "twins.alphafold3"] : ["lane.picture", "lane.molecule"];
    this.stage.setPanels(
      [on ? alphafold2 : dalle2, alphafold3],
      names.map((key) => t(key)),
    );
    this.tabs.offer("twins", on);
    if (on) {
      this.tabs.show("twins");
      this.#compare();
      if (!alphafold2.run && !alphafold2.refusal) this.on.record(alphafold2);
    }
    this.on.redraw();
  }

  /** Why AlphaFold 2 has no frame for what was asked; "" takes it back. @param {string} reason */
  refuse(reason) {
    this.panels.alphafold2.refuse(reason && t("twins.none", { reason }), reason);
    if (this.comparing) this.twins.tell("show", this.panels);
  }

  /** The small chart under the settling curves. */
  draw() {
    const rows = [this.panels.alphafold2, this.panels.alphafold3]
      .filter(({ root }) => !root.hidden)
      .map(({ name, root, run }) => ({ name, accent: root.dataset.accent, run }));
    this.measured.tell("draw", rows, this.stage.axis, this.stage.ticks);
    if (rows.some(({ run }) => run?.done?.against_reference)) this.measured.want();
  }
}
