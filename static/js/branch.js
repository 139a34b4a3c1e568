/** Branches: a run goes on from a step of another one, and both stay. Fetched when the first is wanted. */

import { DEEPEST, childOf, depthOf, ideaOf, matches, ofRun, placeOf } from "./branch_choice.js";
import { childIn, graft, ownerOf } from "./branch_compose.js";
import { Ghost } from "./branch_ghost.js";
import { drawFork } from "./branch_lane.js";
import { readBranches, writeBranches } from "./branch_link.js";
import { askedWords, endWords } from "./branch_words.js";
import { paragraph, t } from "./text.js";

const byId = (id) => document.getElementById(id);
const SEEDS = 1e6;
/** Milliseconds that a sentence beside the player stands. */
const SAID = 8000;
const TOGETHER = 2000;

export class Branches {
  /** @param {import("./branch_door.js").BranchDoor} door */
  constructor(door) {
    this.door = door;
    this.page = door.page;
    /** @type {{panel: import("./panel.js").Panel, test: (run: any) => boolean, done: (run: any) => void}[]} */
    this.waiting = [];
    /** children whose distance has been said */
    this.known = new WeakSet();
    /** the address that is being computed */
    this.opening = "";
    this.page.stage.view.forked = (i, ...where) => this.#lane(this.page.stage.panels[i], ...where);
  }

  // -- a new branch ------------------------------------------------------------------------------

  /**
   * Goes on from the playhead. @param {import("./panel.js").Panel[]} [panels] other ones than the stage's
   * @param {boolean} [idea] from the step of the prior that the strip shows, not from the picture
   */
  press(panels = this.page.stage.panels, idea = false) {
    const { ask } = this.page;
    const form = idea || panels === this.page.stage.panels;
    const able = panels
      .map((panel) => {
        const { id, run, shown, level } = panel;
        const place = (idea ? ideaOf : placeOf)({ ...shown, run, level }, this.door.stages(id));
        return { panel, place, run: place && ownerOf(run, place) }; // left of a fork it is the parent that is left
      })
      .filter(({ place }) => place);
    if (able.length === 0) {
      const nowhere = idea ? "branch.nowhere.idea" : "branch.nowhere";
      this.say(t(panels.every(({ run }) => run) ? nowhere : "branch.nothing"));
      return;
    }
    const asked = able.map(({ panel: { id }, run }) => (form ? ask.request(id) : { input: run.input, settings: {} }));
    if (asked.includes(null)) return; // the form says why
    const children = able.map((one, i) => {
      return { ...one, child: childOf(one.run, asked[i], ask.preset, ask.untouched(one.panel.id)) };
    });
    let chosen = children.filter(({ child }) => child.changed.length > 0);
    const dice = chosen.length === 0;
    if (dice) {
      const held = children.map(({ run }) => run.settings.seed);
      let seed;
      do seed = Math.floor(Math.random() * SEEDS);
      while (held.includes(seed));
      if (form) ask.seed.value = String(seed);
      for (const { child } of children) child.settings.seed = seed;
      chosen = children;
    }
    const deep = chosen.filter(({ run }) => depthOf(ofRun(run)) >= DEEPEST);
    if (deep.length > 0) {
      this.say(t("branch.deep", { count: DEEPEST }));
      return;
    }
    for (const { panel, place, run, child } of chosen) this.#go(panel, child, { ...place, of: ofRun(run) }, run);
    const parts = chosen.map(({ panel, place, run, child }) => {
      const what = dice ? "" : askedWords({ ...child, start: null }, run);
      const { step, steps } = place;
      const key = `branch.began${place === panel.shown.strip ? ".idea" : ""}`;
      return t(what ? `${key}.with` : key, { name: panel.name, step: step + 1, steps, what });
    });
    if (dice) parts.unshift(t("branch.dice", { seed: chosen[0].child.settings.seed }));
    this.say(paragraph(parts));
  }

  #go(panel, { input, settings }, { of, stage, step, sigma }, parent) {
    const begin = (child) => graft(child, parent);
    return this.page.runners[panel.id].go(input, settings, { branch: { of, stage, step, sigma }, begin });
  }

  /** Beside the player, and to those who listen. @param {string} text @param {boolean} [end] how a branch ended */
  say(text, end = false) {
    const box = byId("branch-said");
    if (!box) {
      this.page.announce(text);
      return;
    }
    // Two panels that speak at once are heard both.
    const now = performance.now();
    const soon = end && !box.hidden && now - (this.endedAt ?? -SAID) < TOGETHER;
    if (end) this.endedAt = now;
    box.textContent = soon ? paragraph([box.textContent, text]) : text;
    box.hidden = false;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => (box.hidden = true), SAID);
  }

  // -- two tracks --------------------------------------------------------------------------------

  /** See the door. */
  attached(panel, live, before) {
    const kin = before?.root === live.root;
    if (!kin) {
      this.#release(panel);
      return false;
    }
    // Beside a new branch stands the run that it left, which need not be the one that was shown.
    this.#haunt(panel, before.parent === live || !live.parent ? before : live.parent);
    this.page.written();
    return true;
  }

  /** A branch of somebody else: with its parent's frames if the parent was here. */
  adopt(panel, live, before) {
    if (panel.run !== live || live.parent) return;
    if (!matches(before, live.start.branch.of)) {
      const text = t("branch.alone", { step: live.start.branch.step + 1 });
      panel.places.notes?.append(Object.assign(document.createElement("li"), { textContent: text }));
      return;
    }
    graft(live, before);
    panel.started();
    this.#haunt(panel, before);
    this.page.stage.refresh();
  }

  /** @param {import("./panel.js").Panel} panel @param {import("./run.js").Run} run the other track */
  #haunt(panel, run) {
    panel.ghost?.leave();
    panel.ghost = new Ghost(panel, run, {
      swap: () => this.swap([panel]),
      drop: () => this.drop(panel),
    });
    panel.shown = {};
    this.#ended(panel);
    this.page.redraw(); // the curves of both tracks
  }

  #release(panel) {
    if (!panel.ghost) return;
    panel.ghost.leave();
    panel.ghost = null;
  }

  /** Only the main track stays. @param {import("./panel.js").Panel} panel */
  drop(panel) {
    const { ghost } = panel;
    this.#release(panel);
    this.page.runners[panel.id].leave(ghost.run);
    panel.shown = {};
    this.page.stage.refresh();
    this.page.redraw();
    this.say(t("branch.dropped", { name: panel.name }));
    byId("track").focus({ preventScroll: true }); // the button that had it is gone
  }

  /** @param {import("./panel.js").Panel[]} [panels] @returns {boolean} */
  swap(panels = this.page.stage.panels) {
    const { stage } = this.page;
    const forked = panels.filter(({ ghost }) => ghost);
    for (const panel of forked) {
      const before = panel.run;
      const held = panel.ghost.swapButton === document.activeElement;
      panel.attach(panel.ghost.run);
      this.#haunt(panel, before);
      if (held) panel.ghost.swapButton.focus();
    }
    if (forked.length === 0) return false;
    stage.refresh();
    const main = forked.map(({ run, ghost, name }) =>
      t(childIn(run, ghost.run) === run ? "branch.main.branch" : "branch.main.first", { name }),
    );
    this.say(paragraph(main));
    return true;
  }

  /** A track that is not the main one has gone on. */
  beside(panel, name) {
    if (!panel.ghost) return;
    this.page.stage.arrived();
    if (name !== "done" && name !== "error") return;
    this.#ended(panel);
    this.page.redraw();
  }

  /** Says how far the ends are apart once both are there. */
  #ended(panel) {
    const { ghost, run } = panel;
    ghost.tell();
    if (!run.done || !ghost.run.done || ghost.told) return;
    ghost.told = true;
    const words = endWords(run, ghost.run, panel.sample);
    const child = childIn(run, ghost.run);
    if (words && !this.known.has(child)) this.say(t("branch.ended", { name: panel.name, words }), true);
    this.known.add(child);
  }

  /** A panel's main track has come to its end. */
  finished(panel) {
    if (panel.ghost) this.#ended(panel);
    for (const wait of [...this.waiting]) {
      if (wait.panel !== panel || !wait.test(panel.run)) continue;
      this.waiting.splice(this.waiting.indexOf(wait), 1);
      wait.done(panel.run);
    }
  }

  #lane(panel, ...where) {
    if (!panel?.ghost) return false;
    drawFork(panel.run, panel.ghost.run, ...where);
    return true;
  }

  // -- in the address ----------------------------------------------------------------------------

  /** See the door. */
  link(without) {
    const { panels, ask } = this.page;
    if (this.opening) return this.opening;
    const all = Object.values(panels).flatMap(({ id, run, ghost }) => {
      const child = [run, ghost?.run].find((track) => track && ofRun(track).branch);
      if (!child || without.includes(id) || !this.door.infos[id]) return [];
      const { input, settings, branch } = ofRun(child);
      return [{ pipeline: id, input, settings, branch }];
    });
    const settings = Object.fromEntries(Object.values(this.door.infos).map((info) => [info.id, info.settings]));
    return writeBranches(all, settings, this.#inForm(all));
  }

  #inForm(all) {
    const asked = (id) => (id === "dye" ? undefined : this.page.ask.peek(id)?.input);
    return Object.fromEntries(all.map(({ pipeline }) => [pipeline, asked(pipeline)]));
  }

  /** See the door. */
  async open(text) {
    const ids = Object.keys(this.door.infos);
    const all = readBranches(text, this.#inForm(ids.map((pipeline) => ({ pipeline }))));
    if (!all) {
      this.page.trouble(t("branch.unreadable"));
      return [];
    }
    const known = all.filter(({ pipeline }) => ids.includes(pipeline));
    this.opening = text;
    const coming = known.map(({ pipeline, ...of }) => this.#produce(this.page.panels[pipeline], of));
    Promise.all(coming).then(() => {
      this.opening = "";
      this.page.opened();
    });
    return known.map(({ pipeline }) => pipeline);
  }

  /** Computes a run and before it those that it goes on from. @returns {Promise<import("./run.js").Run>} */
  async #produce(panel, of) {
    if (matches(panel.run, of) && panel.run.done) return panel.run;
    const { branch } = of;
    const parent = branch && (await this.#produce(panel, branch.of));
    const done = new Promise((resolve) => {
      this.waiting.push({ panel, test: (run) => run !== parent && matches(run, of), done: resolve });
    });
    if (branch) await this.#go(panel, of, branch, parent);
    else await this.page.runners[panel.id].go(of.input, of.settings);
    return done;
  }
}
