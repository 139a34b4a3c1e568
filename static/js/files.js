/**
 * A file comes back in: its settings fill the form, a JSON file is shown as it was recorded. Fetched when the
 * first file is dropped or chosen.
 */

import { NotARun, documentOf } from "./file_check.js";
import { fillForm } from "./fill_form.js";
import { readFile } from "./file_read.js";
import { notice } from "./notice.js";
import { Run } from "./run.js";
import { listed, t, words } from "./text.js";
import { fingerprint } from "./weights.js";

const MAX_BYTES = 64 * 2 ** 20;
const MAX_FILES = 4;
const ACCEPT = ".json,.png,.gif,.mp4,.csv,.cif,.pdb,.sdf";
const MODES = { dalle1: "compare", alphafold2: "twins" };

/**
 * @typedef {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>,
 *   runners: Record<string, import("./runner.js").Runner>, ask: import("./ask.js").Ask,
 *   infos: () => import("./net.js").PipelineInfo[], announce: (text: string) => void}} Page
 * @typedef {import("./file_check.js").Document} Document
 */

export class Files {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.input = Object.assign(document.createElement("input"), { type: "file", accept: ACCEPT, hidden: true });
    this.input.id = "open-file";
    this.input.multiple = true;
    this.input.setAttribute("aria-label", t("share.choose"));
    this.input.addEventListener("change", () => {
      this.open([...this.input.files]);
      this.input.value = "";
    });
    document.body.append(this.input);
  }

  choose() {
    this.input.click();
  }

  /**
   * @param {File[]} files
   * @param {((file: File) => void) | null} [asPicture] what else a picture without settings is good for, here
   */
  async open(files, asPicture = null) {
    await words("files");
    const said = [];
    const again = [];
    let bad = false;
    for (const file of files.slice(0, MAX_FILES)) {
      try {
        const found = await this.#read(file, asPicture);
        if (!found) continue; // it is a picture, and was taken as one
        said.push(...this.#take(file, found));
        again.push(found);
        if (asPicture && file.type === "image/png") this.picture = () => asPicture(file);
      } catch (error) {
        if (!(error instanceof NotARun)) throw error;
        said.push(t(error.key, { name: file.name, ...error.values }), t("files.accepted"));
        bad = true;
      }
    }
    if (said.length === 0) return;
    const ways = again.length > 0 ? [{ text: t("files.run"), act: () => again.forEach((one) => this.#run(one)) }] : [];
    if (this.picture) ways.push({ text: t("files.as_picture"), act: this.picture });
    this.picture = undefined;
    await notice(said, ways, bad);
  }

  /** @param {File} file @returns {Promise<Document | null>} null once it was taken as a picture @throws {NotARun} */
  async #read(file, asPicture) {
    if (file.size > MAX_BYTES) throw new NotARun("files.large", { size: String(Math.round(file.size / 2 ** 20)) });
    const { kind, text } = readFile(new Uint8Array(await file.arrayBuffer()));
    if (text === null) {
      if (asPicture && (kind === "png" || file.type.startsWith("image/"))) {
        asPicture(file);
        return null;
      }
      throw new NotARun(kind === null ? "files.unknown" : kind === "png" ? "files.plain_picture" : "files.no_settings");
    }
    return documentOf(text, Object.keys(this.page.panels));
  }

  /** Fills the form, and shows what was recorded. @param {File} file @param {Document} found @returns {string[]} what to say */
  #take(file, found) {
    const { panels, ask } = this.page;
    const id = found.pipeline;
    const name = panels[id].name;
    this.#mode(id);
    const info = this.page.infos().find((one) => one.id === id && one.available);
    const left = id === "dye" ? [] : fillForm(ask, id, found.input, found.settings, file.name, info);
    const said = [];
    const when = new Date(found.recorded_at ?? "");
    if (found.events) {
      this.#show(id, found);
      const date = Number.isNaN(when.getTime()) ? "" : when.toLocaleDateString(document.documentElement.lang);
      said.push(t(date ? "files.shown_of" : "files.shown", { name: file.name, what: name, date }));
    } else said.push(t("files.filled", { name: file.name, what: name, seed: found.settings.seed ?? "" }));
    if (left.length > 0) said.push(t("files.beside", { names: listed(left) }));
    if (!info) said.push(t("files.off", { what: name }));
    else if (found.checkpoints && fingerprint(found.checkpoints) !== fingerprint(info.checkpoints))
      said.push(t("files.other_weights"));
    return said;
  }

  /** The panel that the file is about comes into sight. @param {string} id */
  #mode(id) {
    const { ask, panels } = this.page;
    if (id === "dye") {
      panels.dye.root.scrollIntoView({ block: "center" });
      return;
    }
    const wanted = MODES[id];
    if (wanted === "twins") ask.setMoleculeMode("compare");
    else if (wanted === "compare") ask.picture.setMode("compare");
    else if (panels[id].root.hidden && id === "dalle2") ask.setMoleculeMode("alone");
    else if (panels[id].root.hidden) ask.picture.setMode("caption");
  }

  /** @param {string} id @param {Document} found @throws {NotARun} if the panel cannot show it */
  #show(id, found) {
    const { stage, panels, runners } = this.page;
    const panel = panels[id];
    const before = panel.run;
    runners[id].stop();
    try {
      const run = Run.fromTrace(found);
      Object.assign(run, { file: true, document: found, branch: found.branch });
      panel.attach(run);
      stage.branching?.attached(panel, run, before);
      stage.refresh();
      stage.player.seek(1);
      stage.changed();
    } catch {
      if (before) panel.attach(before);
      stage.refresh();
      throw new NotARun("files.broken", { where: "events" });
    }
    runners[id].on.event("done", panel.run);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    stage.player.seek(0);
    stage.player.play();
    stage.changed();
  }

  /** The very same again, with settings that the form has no place for as well. @param {Document} found */
  #run({ pipeline, input, settings, branch }) {
    const runner = this.page.runners[pipeline];
    runner.stop();
    const fork = branch ? { branch, begin: () => {} } : null;
    runner.go(input, settings, fork);
    this.page.announce(t("live.started"));
  }
}
