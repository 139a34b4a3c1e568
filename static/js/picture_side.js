/** Everything about the chosen picture: actions under it, the tabs below the player, the kind of request. */

import { Late } from "./late.js";
import { PictureActions } from "./picture_actions.js";
import { t } from "./text.js";
import { positionOf } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const motion = still ? "auto" : "smooth";

export class PictureSide {
  /**
   * @param {Record<string, import("./panel.js").Panel>} panels @param {import("./stage.js").Stage} stage
   * @param {import("./tabs.js").Tabs} tabs
   * @param {{ask: () => import("./ask.js").Ask, run: (ids: string[]) => void,
   *   record: (panel: import("./panel.js").Panel) => void, redraw: () => void}} on
   *   record: shows a panel's recorded run, if there is one; redraw: other panels want another chart
   */
  constructor(panels, stage, tabs, on) {
    this.panels = panels;
    this.stage = stage;
    this.on = on;
    this.map = new Late(async () => {
      // The last steps of an idea may have less noise than the picture's own.
      const seek = (level) => stage.seek(level < stage.axis.bottom ? 1 : positionOf(stage.axis, level));
      const { dalle2 } = panels;
      return new (await import("./map_view.js")).MapView(byId("map-panel"), seek, {
        other: () => dalle2.ghost?.run ?? null,
        able: () => stage.branching?.holdsIdea(dalle2) ?? false,
        branch: () => stage.branching.pressIdea(dalle2),
      });
    });
    this.copying = new Late(async () => new (await import("./copying.js")).Copying(byId("copying-panel")));
    this.compare = new Late(async () => {
      const [{ Compare }, { PICTURES }] = await Promise.all([import("./compare.js"), import("./compare_pictures.js")]);
      return new Compare(byId("compare-panel"), PICTURES);
    });
    this.tabs = tabs;
    tabs.opened.push((id) => {
      if (id === "map" || id === "compare") this[id].tell("open");
      if (id === "map" || id === "compare" || id === "copying") this[id].want();
    });
    const place = panels.dalle2.root.querySelector('[data-role="actions"]');
    this.actions = new PictureActions(place, { act: (action, held) => this.act(action, held) });
    for (const panel of [panels.dalle2, panels.dalle1]) panel.chosen = () => this.show();
    panels.dalle2.moved = ({ strip }) => this.map.tell("move", strip);
  }

  /** The chosen picture is another one, or its run has ended. */
  show() {
    const { run, sample } = this.panels.dalle2;
    this.actions.show(run, sample);
    this.copying.tell("show", run, sample);
    this.map.tell("follow", run, sample);
    if (this.comparing) this.compare.tell("show", this.panels);
  }

  get comparing() {
    return document.body.dataset.mode === "compare";
  }

  /** Another kind of request: two panels of pictures, or a picture and a molecule. @param {string} mode */
  setMode(mode) {
    const { dalle2, dalle1, alphafold3 } = this.panels;
    const was = this.comparing;
    document.body.dataset.mode = mode;
    const both = this.comparing;
    if (was === both) return;
    alphafold3.root.hidden = both;
    dalle1.root.hidden = !both;
    byId("compare-words").hidden = !both;
    byId("molecule-field").hidden = both;
    dalle2.call(both ? "compare.dalle2" : "dalle2.title");
    const names = both ? ["compare.dalle2", "compare.dalle1"] : ["lane.picture", "lane.molecule"];
    this.stage.setPanels(
      [dalle2, both ? dalle1 : alphafold3],
      names.map((key) => t(key)),
    );
    this.tabs.offer("compare", both);
    if (both) {
      this.tabs.show("compare");
      this.compare.tell("show", this.panels);
      if (!dalle1.run) this.on.record(dalle1);
    }
    this.on.redraw();
  }

  /** What a button under the picture asks for. @param {string} action @param {import("./picture_input.js").Held} held */
  act(action, held) {
    if (action === "nearest") {
      this.tabs.show("copying");
      byId("below").scrollIntoView({ behavior: motion, block: "start" });
      byId("tab-copying").focus({ preventScroll: true });
      return;
    }
    const field = this.on.ask().picture;
    const { input } = this.panels.dalle2.run;
    const words = input.prompt ?? input.diff?.to ?? field.asked.from.text;
    if (action === "from" || action === "to") {
      field.setMode("interpolate");
      field.hold(action, held);
      byId(action === "from" ? "prompt-to" : "prompt").focus();
    } else {
      const other = { text: action === "diff" ? words : "", held: null };
      field.fill({ mode: action, from: { text: words, held }, to: other });
      if (action === "variations") this.on.run(["dalle2"]);
      else byId("prompt-to").focus();
    }
    byId("picture-field").scrollIntoView({ behavior: motion, block: "nearest" });
  }
}
