/** What a lesson shows on the stage: the two models, a comparison, or the drop of dye alone. */

import { t } from "./text.js";

/** What the lanes held before the dye took them. */
let before = null;

/** @param {import("./lesson.js").Page} page @param {string} scene both, compare, structures, dye, "" leaves it */
export function setScene(page, scene) {
  const { stage, panels, ask } = page;
  if (scene === "") return;
  if (scene === "dye") {
    if (before) return;
    before = { panels: stage.panels, names: stage.view.lanes.map(({ dataset }) => dataset.label) };
    document.body.dataset.scene = "dye";
    stage.setPanels([panels.dye], [t("lesson.dye.lane")]);
    return;
  }
  if (before) {
    delete document.body.dataset.scene;
    stage.setPanels(before.panels, before.names);
    before = null;
  }
  if (page.follower) return; // the presenter's mode comes with the room's state
  const { picture } = ask;
  if (scene === "compare" && picture.mode !== "compare") picture.setMode("compare");
  if (scene === "both" && picture.mode === "compare") picture.setMode("caption");
  ask.setMoleculeMode?.(scene === "structures" ? "compare" : "alone");
}
