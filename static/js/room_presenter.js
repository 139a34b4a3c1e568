/** The presenter's side of a room: tells what the stage shows, shows the code, asks the class. */

import { Refused, presentAs, presentRoom, roomQrUrl } from "./net.js";
import { PollCard, counted } from "./room_poll.js";
import { AskDialog } from "./room_ask.js";
import { differs, patience, spaced } from "./room_state.js";
import { currentTheme } from "./theme.js";
import { t } from "./text.js";

const byId = (id) => document.getElementById(id);
/** Milliseconds between two looks at the stage: ten times a second is as often as anybody is told. */
const LOOK = 100;
/** Only what is new: a status that is written again is read out again. @param {Element} element @param {string} text */
const write = (element, text) => element.textContent === text || (element.textContent = text);
const TYPED = 4000; // characters of a field that a room takes

export class Presenter {
  /**
   * @param {import("./room.js").Page} page
   * @param {import("./net.js").OpenedRoom} room
   * @param {() => void} ended called when the room is no more
   */
  constructor(page, room, ended) {
    this.page = page;
    this.room = room;
    this.ended = ended;
    /** @type {import("./room_state.js").RoomState | null} */
    this.said = null;
    this.saidAt = 0;
    this.notBefore = 0;
    this.sending = false;
    this.poll = null;
    this.peeking = false;
    /** Runs that the server does not know any more; the class keeps what it has. */
    this.gone = new Set();
    this.dialog = byId("room-dialog");
    this.chip = byId("room-chip");
    this.card = new PollCard(byId("poll"), { measured: page.measured });
    this.ask = new AskDialog((asked, count) => this.#change("POST", "/poll", asked, count));
    this.#wire();
    this.#followers(0);
    this.timer = setInterval(() => this.#look(), LOOK);
    page.lessons.present(this);
    presentAs(room.key);
  }

  show() {
    this.dialog.showModal();
  }

  /** A lesson's question: which answer is right comes with the reveal. @param {string} ready @param {number} count */
  askLesson(ready, count) {
    return this.#change("POST", "/poll", { ready }, count);
  }

  /** Shows the class the counts, and what the stage has measured if the question left that open. */
  reveal() {
    const right = this.poll?.ready ? this.page.lessons.right(this.poll.ready) : undefined;
    return this.#change("POST", "/poll/reveal", right === undefined ? undefined : { right });
  }

  #wire() {
    const { code, url, reachable } = this.room;
    byId("room-code").textContent = spaced(code);
    byId("room-code").setAttribute("aria-label", t("room.code_spoken", { code: [...code].join(" ") }));
    byId("room-url").textContent = url.replace(/^https?:\/\//, "");
    const picture = byId("room-qr");
    picture.src = roomQrUrl(code);
    picture.alt = t("room.qr", { url });
    byId("room-unreachable").hidden = reachable;
    this.chip.hidden = byId("room-ask").hidden = false;
    byId("room-open").hidden = true;
    byId("room-chip-code").textContent = spaced(code);
    this.chip.setAttribute("aria-label", t("room.chip", { code: spaced(code) }));
    this.listeners = new AbortController();
    const on = (id, act) => byId(id).addEventListener("click", act, { signal: this.listeners.signal });
    on("room-chip", () => this.show());
    on("room-start", () => this.dialog.close());
    on("room-ask", () => this.ask.show());
    on("room-end", ({ currentTarget }) => this.#end(currentTarget));
    on("poll-peek", () => {
      this.peeking = !this.peeking;
      this.#draw();
    });
    on("poll-reveal", () => this.reveal());
    on("poll-clear", () => this.#change("DELETE", "/poll"));
    this.corner = new IntersectionObserver(([{ isIntersecting }]) =>
      this.chip.toggleAttribute("data-floating", !isIntersecting),
    );
    this.corner.observe(document.querySelector(".masthead"));
    const closed = () => {
      this.#calm();
      const at = document.activeElement;
      if (at === document.body || this.dialog.contains(at)) this.chip.focus(); // the button that opened it is gone
    };
    this.dialog.addEventListener("close", closed, { signal: this.listeners.signal });
  }

  /** What followers are to see. @returns {import("./room_state.js").RoomState} */
  #snapshot() {
    const { panels, stage, ask } = this.page;
    const shown = Object.entries(panels).filter(([, { run }]) => run);
    const { u, playing, following, loop, speed } = stage.player;
    const { prompt = "", to = "", molecule = "", kind = "auto", seed = "" } = ask.state();
    const inputs = { prompt, to, molecule, kind, seed };
    return {
      panels: Object.fromEntries(
        shown.map(([id, { run, sample, alone }]) => {
          const live = run.source === "live" && run.id && !this.gone.has(run.id);
          const recorded = run.source === "recorded" && !run.file; // followers have the page's own, not a file
          return [id, { run: live ? run.id : null, recorded, sample, alone: Boolean(alone) }];
        }),
      ),
      player: { u, playing, following, loop, speed },
      mode: document.body.dataset.twins === "on" ? "twins" : (document.body.dataset.mode ?? "caption"),
      focus: stage.panels[0].root.dataset.focus,
      theme: currentTheme(),
      turn: panels.alphafold3.view.turned?.map((v) => Math.round(v * 1e3) / 1e3) ?? null,
      inputs: Object.values(inputs).every((text) => text.length <= TYPED) ? inputs : null,
      lesson: this.page.lessons.state(),
      language: document.documentElement.lang,
    };
  }

  async #look() {
    const time = performance.now();
    if (this.sending || time < this.notBefore) return;
    const now = this.#snapshot();
    const seconds = (time - this.saidAt) / 1000;
    if (!differs(this.said, now, seconds) && seconds < patience(now, this.poll && !this.poll.revealed)) return;
    this.sending = true;
    try {
      this.#heard(await presentRoom(this.room, "POST", "/state", now));
      this.said = now;
      this.saidAt = time;
      this.#trouble("");
    } catch (error) {
      this.#refused(error, now);
    } finally {
      this.sending = false;
    }
  }

  /** @param {unknown} error @param {import("./room_state.js").RoomState} [now] what was refused */
  #refused(error, now) {
    if (!(error instanceof Refused)) throw error;
    const panel = /^panels\.(\w+)\.run$/.exec(error.problems[0]?.field ?? "")?.[1];
    if (error.status === 404 || error.status === 403) this.#over();
    else if (panel && now) this.gone.add(now.panels[panel].run);
    else {
      this.notBefore = performance.now() + 1000 * (error.retryAfter || 2);
      this.#trouble(t("room.silent"));
    }
  }

  #trouble(text) {
    if (text || this.complained) this.page.trouble(text);
    this.complained = text !== "";
  }

  /** A question is asked, revealed or taken away. */
  async #change(method, rest, asked, count) {
    try {
      this.#heard(await presentRoom(this.room, method, rest, asked));
      this.peeking = false;
      if (rest === "/poll") this.poll = asked ? { ...asked, count, number: this.number, revealed: false } : null;
      else this.poll = { ...this.poll, revealed: true };
      this.#draw();
    } catch (error) {
      this.#refused(error);
    }
  }

  #heard({ followers, poll, tally, right }) {
    this.#followers(followers);
    this.number = poll;
    this.tally = tally;
    this.right = right;
    if (this.poll) this.#draw();
  }

  /** A room that is taken up again has a question of its own. @param {any} poll */
  adopt(poll) {
    this.poll = poll;
    this.#draw();
  }

  #draw() {
    const { poll, tally, right } = this;
    this.page.lessons.poll = poll;
    const revealed = poll?.revealed === true;
    const total = (tally ?? []).reduce((sum, count) => sum + count, 0);
    this.card.show(poll && { ...poll, tally, right }, null, this.peeking ? tally : null);
    if (!poll) return;
    write(this.card.note, counted("poll.answered", total));
    byId("poll-peek").hidden = byId("poll-reveal").hidden = revealed;
    byId("poll-peek").textContent = t(this.peeking ? "poll.unpeek" : "poll.peek");
  }

  #followers(count) {
    write(byId("room-followers"), counted("room.followers", count));
    byId("room-chip-count").textContent = String(count);
  }

  /** The first press asks, the second ends. @param {HTMLButtonElement} button */
  async #end(button) {
    if (button.dataset.sure === undefined) {
      button.dataset.sure = "";
      button.textContent = t("room.end_sure");
      return;
    }
    try {
      await presentRoom(this.room, "DELETE", "");
      this.#over();
    } catch (error) {
      this.#refused(error);
    }
  }

  #calm() {
    const button = byId("room-end");
    delete button.dataset.sure;
    button.textContent = t("room.end");
  }

  /** The room is no more: the page is as it was before. */
  #over() {
    clearInterval(this.timer);
    this.listeners.abort();
    this.corner.disconnect();
    this.ask.stop();
    this.#trouble("");
    this.#calm();
    const held = this.dialog.contains(document.activeElement);
    this.dialog.close();
    this.card.show(null, null, null);
    this.chip.hidden = byId("room-ask").hidden = true;
    byId("room-open").hidden = false;
    if (held) byId("room-open").focus();
    this.page.lessons.poll = null;
    this.page.lessons.present(null);
    presentAs("");
    this.page.announce(t("room.ended_here"));
    this.ended();
  }
}
