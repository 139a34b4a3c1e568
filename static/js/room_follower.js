/** A follower's stage: it does what the presenter's does, until somebody looks around on their own. */

import { Refused, answerRoom, recorded } from "./net.js";
import { RoomFeed } from "./room_feed.js";
import { PollCard } from "./room_poll.js";
import { spaced, steer } from "./room_state.js";
import { Run } from "./run.js";
import { t } from "./text.js";
import { showTheme } from "./theme.js";

const byId = (id) => document.getElementById(id);
/** Milliseconds between two looks whether the stage is where it should be: other things move it too. */
const LOOK = 500;
/** A finger that moves less than this (pixels) has not turned anything. */
const STILL = 6;

export class Follower {
  /** @param {import("./room.js").Page} page @param {string} code */
  constructor(page, code) {
    this.page = page;
    this.code = code;
    /** @type {{state: import("./room_state.js").RoomState | null, poll: any, version: number} | null} */
    this.cell = null;
    this.heardAt = 0;
    this.away = false;
    this.bar = byId("room-bar");
    this.words = byId("room-words");
    this.backButton = byId("room-back");
    this.poll = new PollCard(byId("poll"), {
      choose: (poll, option) => this.#answer(poll, option),
      measured: page.measured,
    });
    byId("room-name").textContent = t("follow.room", { code: spaced(code) });
    this.bar.hidden = false;
    this.#say("follow.joining", "wait");
    this.feed = new RoomFeed(code, {
      room: (cell) => this.#heard(cell),
      event: (name, run) => this.#event(name, run),
      lost: () => this.#say("follow.lost", "lost"),
      back: () => this.#where(),
      full: (seconds) => this.#say("follow.full", "wait", { seconds }),
      ended: (reason) => this.#ended(reason),
    });
    this.#watchHands();
    this.backButton.addEventListener("click", () => this.#back());
    this.feed.join();
    this.timer = setInterval(() => this.#follow(), LOOK);
  }

  #heard(cell) {
    const before = this.cell;
    this.cell = cell;
    this.heardAt = performance.now();
    if (this.away && JSON.stringify(runsOf(before)) !== JSON.stringify(runsOf(cell))) this.news = true;
    this.#where();
    this.#follow();
    this.#question(before?.poll);
  }

  /** A run's event has come. */
  #event(name, run) {
    const panel = Object.values(this.page.panels).find((other) => other.run === run);
    if (panel) this.page.runners[panel.id].on.event(name, run);
    if (!this.away) this.#follow();
  }

  /** Brings the stage to where the presenter's is. */
  #follow() {
    const state = this.cell?.state;
    if (!state || this.away) return;
    const { stage, panels, ask } = this.page;
    const { mode, twins } = document.body.dataset;
    if (state.mode !== (twins === "on" ? "twins" : mode)) this.page.setMode(state.mode);
    for (const [id, wanted] of Object.entries(state.panels)) if (panels[id]) this.#panel(panels[id], wanted);
    this.page.lessons.follow(state.lesson);
    for (const { root } of stage.panels) root.dataset.focus = state.focus;
    if (!this.ownTheme && showTheme(state.theme)) this.page.restyle();
    if (JSON.stringify(state.turn) !== this.turn) {
      this.turn = JSON.stringify(state.turn);
      panels.alphafold3.view.turnTo(state.turn);
    }
    const inputs = JSON.stringify(state.inputs);
    if (state.inputs && inputs !== this.inputs) ask.fill({ ...state.inputs, mode: state.mode });
    this.inputs = inputs;
    this.#steer();
  }

  #panel(panel, wanted) {
    const { runners, stage } = this.page;
    // The page itself shows the recorded run first; this is the way back to it.
    const other = panel.ghost?.run; // of a forked run the presenter may have changed the tracks
    const back = wanted.recorded && panel.run?.source === "live";
    if (back && other?.source === "recorded") runners[panel.id].on.attach(other);
    else if (back) this.#playRecorded(panel);
    // What is here already is not taken from the room a second time.
    const here = [panel.run, other].find((one) => one?.id && one.id === wanted.run && !one.streaming);
    const run = here ?? this.feed.runs.get(wanted.run);
    if (run && panel.run !== run) {
      runners[panel.id].on.attach(run);
      if (run.done) runners[panel.id].on.event("done", run);
      stage.arrived();
    }
    if (!panel.run || (wanted.run && panel.run !== run)) return;
    if (panel.sample !== wanted.sample && wanted.sample < panel.run.samples) panel.choose(wanted.sample);
    if (panel.alone !== wanted.alone) panel.toggleGrid();
  }

  async #playRecorded(panel) {
    if (this.fetched?.has(panel.id)) return;
    this.fetched = (this.fetched ?? new Set()).add(panel.id);
    try {
      const run = Run.fromTrace(await recorded(panel.id));
      panel.attach(run);
      this.page.stage.refresh();
      this.page.runners[panel.id].on.event("done", run);
      this.fetched.delete(panel.id);
    } catch (error) {
      if (!(error instanceof Refused)) throw error; // no recording: the panel stays as it is
    }
  }

  #steer() {
    const { player } = this.page.stage;
    const wanted = this.cell.state.player;
    const next = steer(wanted, (performance.now() - this.heardAt) / 1000, player);
    player.speed = wanted.speed;
    player.loop = wanted.loop;
    if (next.following !== player.following || next.playing !== player.playing || next.u !== null) {
      if (next.u !== null) player.seek(next.u, next.playing);
      player.playing = next.playing;
      player.following = next.following;
    }
    this.page.stage.changed();
  }

  /** Whoever scrubs, plays or turns has left the presenter's view. */
  #watchHands() {
    const own = ".player, .samples, .chart-frame, .dye button, .lesson-steps, .lesson-nav";
    addEventListener(
      "pointerdown",
      (event) => {
        if (!(event.target instanceof Element)) return;
        if (event.target.closest(own)) this.#leave();
        if (event.target.closest("#theme-switch")) this.ownTheme = true;
        const well = event.target.closest(".well");
        this.hand = well && { well, x: event.clientX, y: event.clientY };
      },
      true,
    );
    addEventListener("pointermove", (event) => {
      const { hand } = this;
      if (!hand || event.buttons === 0 || !hand.well.querySelector(".scene")) return;
      if (Math.hypot(event.clientX - hand.x, event.clientY - hand.y) < STILL) return;
      if (event.pointerType === "mouse" || hand.well.dataset.active !== undefined) this.#leave();
    });
    // The player's keys and the molecule's mark what they used.
    addEventListener("keydown", (event) => {
      if (event.target instanceof Element && event.target.closest("dialog, .poll, .room-bar, .ask")) return;
      if (event.defaultPrevented) this.#leave();
    });
    addEventListener(
      "click",
      (event) => {
        if (event.detail !== 0 || !(event.target instanceof Element)) return;
        if (event.target.closest(own) && event.isTrusted) this.#leave(); // a button, by keyboard
      },
      true,
    );
  }

  #leave() {
    if (this.away || this.feed.closed) return;
    this.away = true;
    this.news = false;
    this.#where();
  }

  #back() {
    this.away = false;
    this.ownTheme = false;
    this.turn = undefined;
    this.page.lessons.followed = "";
    this.#where();
    this.#follow();
    this.page.announce(t("follow.following"));
  }

  /** The words of the bar follow from where this screen is. */
  #where() {
    this.backButton.hidden = !this.away;
    if (this.away) this.#say(this.news ? "follow.away_new" : "follow.away", "away");
    else if (!this.cell) this.#say("follow.joining", "wait");
    else this.#say(this.cell.state ? "follow.following" : "follow.empty", "live");
  }

  #say(key, state, values = {}) {
    const text = t(key, values);
    if (this.words.textContent !== text) this.words.textContent = text;
    this.bar.dataset.state = state;
  }

  // -- the question ----------------------------------------------------------------------------

  #question(before) {
    const { poll } = this.cell;
    this.page.lessons.poll = poll;
    this.poll.show(poll, poll && kept(`room-answer ${this.code} ${poll.number}`), null);
    const fresh = poll && (poll.number !== before?.number || poll.revealed !== before?.revealed);
    if (fresh) this.poll.root.scrollIntoView({ block: "nearest" });
  }

  async #answer(poll, option) {
    const key = `room-answer ${this.code} ${poll.number}`;
    const before = kept(key);
    keep(key, option);
    this.poll.show(poll, option, null);
    try {
      await answerRoom(this.feed.answers, followerId(), poll.number, option);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 409) return; // the reveal was faster and is on its way
      keep(key, before);
      this.poll.show(poll, before, null);
      this.poll.note.textContent = t("poll.lost");
    }
  }

  #ended(reason) {
    clearInterval(this.timer);
    this.#say(`follow.ended.${reason}`, "ended");
    this.backButton.hidden = true;
    this.poll.show(null, null, null);
    this.page.lessons.release();
    this.page.release();
  }
}

const runsOf = (cell) => Object.entries(cell?.state?.panels ?? {}).map(([id, { run }]) => [id, run]);

/** Answers and the follower's id outlive a reload, not the browser's tab. */
const memory = new Map();

function kept(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return memory.get(key) ?? null;
  }
}

function keep(key, value) {
  memory.set(key, value);
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage may be forbidden: it then lasts as long as the page.
  }
}

/** Random and unlinked to anything else: it only keeps one follower to one answer. */
function followerId() {
  const id = kept("room-follower") ?? [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");
  keep("room-follower", id);
  return id;
}
