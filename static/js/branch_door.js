/** The way into branches: the buttons and what they need; the rest is fetched when one is pressed. */

import { styled } from "./late.js";
import { words } from "./text.js";

const byId = (id) => document.getElementById(id);

/**
 * @typedef {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>,
 *   runners: Record<string, import("./runner.js").Runner>, ask: import("./ask.js").Ask,
 *   announce: (text: string) => void, trouble: (text: string) => void, written: () => void, redraw: () => void,
 *   opened: () => void}} Page
 *   written: the address is to be brought up to date; redraw: other runs are the main ones; opened: what an
 *   address asked for has come
 */

export class BranchDoor {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    /** @type {Record<string, import("./net.js").PipelineInfo>} those that can be branched */
    this.infos = {};
    /** @type {import("./branch.js").Branches | null} */
    this.branches = null;
    this.buttons = [byId("branch"), byId("branch-run")].filter(Boolean); // a frame in a slide has none
    for (const button of this.buttons) button.addEventListener("click", () => this.press());
    const { stage, ask } = page;
    stage.branching = this;
    // Beside Run it stands only while the form says something else than the stage.
    for (const type of ["input", "change", "click"])
      ask.form.addEventListener(type, () => {
        if (this.able) this.compare();
      });
  }

  /** @param {import("./net.js").PipelineInfo[]} infos */
  offer(infos) {
    this.infos = Object.fromEntries(infos.filter(({ branches }) => branches?.length).map((info) => [info.id, info]));
    this.look();
  }

  /** Stages of a panel's run that can be left. @param {string} id @returns {string[]} */
  stages(id) {
    return this.infos[id]?.branches ?? [];
  }

  /** The playhead or what it shows has changed. */
  look() {
    const able = this.page.stage.panels.some(({ id, run, shown }) => {
      const frame = run && !shown.final && (shown.frame ?? shown.strip);
      return frame && this.stages(id).includes(frame.stage);
    });
    const [button, beside] = this.buttons;
    if (!button) return;
    if (able !== this.able) button.setAttribute("aria-disabled", String(!able));
    this.able = able;
    if (!able) beside.hidden = true;
  }

  /** Does the form say something else than the runs on the stage? */
  async compare() {
    const { differs } = await import("./branch_choice.js");
    const { stage, ask } = this.page;
    const other = stage.panels.some(
      ({ id, run }) => run && this.stages(id).length > 0 && differs(run, ask.peek(id), ask.preset, ask.untouched(id)),
    );
    this.buttons[1].hidden = !(this.able && other);
  }

  /** @returns {Promise<import("./branch.js").Branches>} */
  load() {
    this.loading ??= Promise.all([import("./branch.js"), words("branch"), styled("branch")]).then(
      ([{ Branches }]) => (this.branches = new Branches(this)),
    );
    this.loading.catch(() => (this.loading = undefined)); // so that it can be tried again
    return this.loading;
  }

  /** Goes on from where the playhead is, with what the form says. @param {import("./panel.js").Panel[]} [panels] */
  async press(panels) {
    if (!panels && !this.buttons[0]?.checkVisibility()) return; // a link has taken it away
    (await this.load()).press(panels);
  }

  /** Whether the step of the prior that a panel shows can be left. @param {import("./panel.js").Panel} panel */
  holdsIdea({ id, run, shown }) {
    return Boolean(run && shown.strip && this.stages(id).includes(shown.strip.stage));
  }

  /** Goes on from the step of the prior that is shown. @param {import("./panel.js").Panel} panel */
  async pressIdea(panel) {
    if (!this.buttons[0]?.checkVisibility()) return;
    (await this.load()).press([panel], true);
  }

  /** The other track becomes the main one. @returns {boolean} false if there is no other */
  swap() {
    return this.branches?.swap() ?? false;
  }

  /**
   * A run has been put on a panel. @param {import("./panel.js").Panel} panel @param {import("./run.js").Run} live
   * @param {import("./run.js").Run | null} before what was there
   * @returns {boolean} whether it is a track of the run that was there: the playhead stays
   */
  attached(panel, live, before) {
    // A branch that somebody else has made: in a room, or before a reload.
    if (live.start?.branch && !live.parent) this.load().then((branches) => branches.adopt(panel, live, before));
    return this.branches?.attached(panel, live, before) ?? false;
  }

  /** Whether the branches of an address are still to come. */
  get opening() {
    return Boolean(this.branches?.opening);
  }

  /** A panel's main run has come to its end. @param {import("./panel.js").Panel} panel */
  finished(panel) {
    this.branches?.finished(panel);
  }

  /** A run that is no panel's main one has gone on. */
  beside(panel, name) {
    this.branches?.beside(panel, name);
  }

  /** An address with the branches of now. @param {string} search @param {string[]} [without] panels that are run anew */
  address(search, without = []) {
    if (!this.branches) return search; // what it holds is still to come
    const params = new URLSearchParams(search);
    params.delete("branch");
    const text = this.branches.link(without);
    if (text) params.set("branch", text);
    return `?${params}`;
  }

  /** What an address says. @param {string} search @returns {Promise<string[]>} panels that it speaks for */
  async open(search) {
    const text = new URLSearchParams(search).get("branch");
    return text ? (await this.load()).open(text) : [];
  }
}
