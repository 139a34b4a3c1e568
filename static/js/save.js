/** Finished runs as files: the server writes them from the run's own events. */

import { Refused, exported, recorded } from "./net.js";
import { t } from "./text.js";
import { button, element } from "./share_elements.js";

const PICTURE = ["png", "strip.png", "gif", "mp4", "zip", "csv", "json"];
const MOLECULE = ["png", "strip.png", "gif", "mp4", "cif", "pdb", "sdf", "zip", "csv", "json"];
/** Formats that take seconds to draw. */
const FILMS = new Set(["gif", "mp4"]);

export class SavePane {
  /** @param {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>}} page */
  constructor(page) {
    this.page = page;
    this.root = element("section", "pane");
    this.lists = element("div", "saves");
    this.said = element("p", "said");
    this.said.setAttribute("role", "status");
    this.root.append(element("p", "hint", t("save.lead")), this.lists, this.said);
  }

  draw() {
    const { stage, panels } = this.page;
    const shown = [...stage.panels, panels.dye].filter((panel) => panel?.run);
    this.lists.replaceChildren(...shown.map((panel) => this.#formats(panel)));
    this.said.textContent = shown.length === 0 ? t("save.none") : "";
  }

  /** @param {import("./panel.js").Panel} panel */
  #formats({ id, name, run, root }) {
    const group = element("fieldset", "formats");
    group.dataset.accent = root.dataset.accent ?? "";
    group.append(element("legend", "", name));
    if (!run.done || run.source === "computed") {
      group.append(element("p", "hint", t(run.streaming ? "save.running" : "save.unfinished")));
      return group;
    }
    const kept = run.source === "live";
    const formats = kept ? (run.start.atoms ? MOLECULE : PICTURE) : ["json"];
    const buttons = formats.map((format) => {
      const one = button(t(`save.${format}`), "pill", () => this.#save(id, run, format));
      one.dataset.format = format;
      one.title = t(`save.${format}.what`);
      return one;
    });
    group.append(...buttons);
    if (!kept) group.append(element("p", "hint", t("save.recorded")));
    return group;
  }

  /** @param {string} id @param {import("./run.js").Run} run @param {string} format */
  async #save(id, run, format) {
    const name = `twofold-${id}-${run.settings.seed}.${format}`;
    this.said.textContent = t(FILMS.has(format) ? "save.drawing" : "save.writing", { name });
    try {
      const data = run.source === "live" ? await exported(run.id, format) : await this.#document(id, run);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(data);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      this.said.textContent = t("save.done", { name });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.said.textContent = this.#refusal(error);
    }
  }

  async #document(id, run) {
    const document = run.file ? run.document : await recorded(id);
    return new Blob([JSON.stringify(document)], { type: "application/json" });
  }

  /** @param {Refused} error */
  #refusal({ status, problems, retryAfter }) {
    if (status === 0) return t("error.unreachable");
    if (status === 404) return t("save.gone");
    if (retryAfter) return t("save.busy", { seconds: retryAfter });
    const { message = String(status), accepted = "" } = problems[0] ?? {};
    return accepted ? t("save.refused_with", { message, accepted }) : t("save.refused", { message });
  }
}
