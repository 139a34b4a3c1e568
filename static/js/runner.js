/** Starts live runs and follows them; turns every failure into a sentence in the right place. */

import { Refused, cancel, follow, start } from "./net.js";
import { Run } from "./run.js";
import { said } from "./sentences.js";
import { t } from "./text.js";

/** Milliseconds until a server that did not answer is asked again. */
const AGAIN = 3000;

export class Runner {
  /**
   * @param {string} pipeline
   * @param {{attach: (run: Run) => void, event: (name: string, run: Run) => void,
   *   complain: (text: string, field?: string) => void, trouble: (text: string, again?: () => void) => void}} on
   *   complain: beside the field (its dotted path if one was refused); trouble: above the stage ("" takes it back),
   *   again: what would mend it
   */
  constructor(pipeline, on) {
    this.pipeline = pipeline;
    this.on = on;
    /** @type {Run | null} */
    this.run = null;
    this.unfollow = () => {};
    /** @type {{run: Run, unfollow: () => void}[]} runs that were left at a fork and go on beside it */
    this.left = [];
    this.attempt = 0;
  }

  get busy() {
    return this.waiting === true || this.run?.streaming === true;
  }

  /**
   * @param {object} input @param {object} settings
   * @param {{branch: import("./branch_choice.js").Branch, begin: (run: Run) => void} | null} [fork] where it goes
   *   from: what runs now goes on beside it; begin: called when it has started
   * @param {boolean} [restarted] whether it takes the place of one that the server has lost
   */
  async go(input, settings, fork = null, restarted = false) {
    if (!fork) this.stop();
    this.waiting = true;
    const attempt = ++this.attempt;
    let answer;
    try {
      answer = await start(this.pipeline, input, settings, fork?.branch);
    } catch (error) {
      if (attempt !== this.attempt) return;
      this.waiting = false;
      if (!(error instanceof Refused)) throw error;
      this.#refused(error, input, settings, fork);
      return;
    }
    if (attempt !== this.attempt) {
      cancel(answer.id);
      return;
    }
    this.waiting = false;
    this.on.complain("");
    const { id, settings: resolved } = answer;
    const init = { pipeline: this.pipeline, input, settings: resolved, source: "live", id, branch: fork?.branch };
    const run = new Run(init);
    if (this.run?.streaming) this.left.push({ run: this.run, unfollow: this.unfollow });
    this.run = run;
    if (!fork) this.on.attach(run);
    let queued = false; // a sentence about the queue stands beside the field
    this.unfollow = follow(answer.events, {
      event: (name, data) => {
        if (name === "queued") {
          this.on.complain(t("run.queued", { place: data.place, seconds: Math.ceil(data.wait_s) }));
          queued = true;
          return;
        }
        if (queued && name !== "start") this.on.complain("");
        queued = queued && name === "start";
        run.apply(name, data);
        if (fork && name === "start") {
          fork.begin(run);
          if (run === this.run) this.on.attach(run); // not before: the panel keeps what it shows until then
          if (restarted) this.on.trouble(t("error.restarted"));
          return;
        }
        if (restarted && (name === "start" || name === "done"))
          this.on.trouble(name === "start" ? t("error.restarted") : "");
        if (name === "error") said(data.message).then((message) => this.on.trouble(t("error.failed", { message })));
        this.on.event(name, run);
      },
      lost: () => {
        run.lost = true;
        this.on.trouble(t("error.reconnecting"));
      },
      back: () => {
        run.lost = false;
        this.on.trouble("");
      },
      gone: () => {
        run.error = { message: "lost" };
        // The server was started anew, or the run is too old for it: the seed gives the same run again.
        const again = () => this.go(input, resolved, fork, true);
        this.on.trouble(t("error.lost"), again);
        this.on.event("error", run);
        // By itself once: a run that is lost again may be what the server dies of.
        if (!restarted && run === this.run) again();
      },
    });
  }

  /** @param {Refused} error */
  async #refused(error, input, settings, fork) {
    if (error.status === 429 || (error.status === 503 && error.retryAfter > 0)) {
      this.#goLater(error, input, settings, fork);
      return;
    }
    const { field = "", message = "", accepted = "" } = error.problems[0] ?? {};
    if (error.status === 0) {
      const attempt = this.attempt;
      const again = () => this.go(input, settings, fork);
      this.on.trouble(t("error.unreachable"), again);
      this.waiting = true;
      setTimeout(() => attempt === this.attempt && again(), AGAIN);
    } else if (error.status === 503)
      this.on.complain(
        t("error.off", {
          name: t(`${this.pipeline}.title`),
          reason: await said(message.replace(/^.* is not available: /, "")),
        }),
      );
    else {
      const name = field.startsWith("settings.") ? `${field.slice(9)} ` : "";
      const told = await sentence(name, message);
      this.on.complain(
        accepted ? t("error.field", { message: told, accepted: await said(accepted) }) : t("error.message", { message: told }),
        field,
      );
    }
    this.on.event("error", null);
  }

  /** Counts down beside the field and asks again. @param {Refused} error full, or still loading */
  #goLater(error, input, settings, fork) {
    let seconds = Math.ceil(error.retryAfter) || 2;
    const attempt = this.attempt;
    this.waiting = true;
    const count = () => {
      if (attempt !== this.attempt) return;
      if (seconds === 0) {
        this.go(input, settings, fork);
        return;
      }
      const name = t(`${this.pipeline}.title`);
      this.on.complain(t(error.status === 429 ? "error.busy" : "error.loading", { seconds, name }));
      seconds -= 1;
      setTimeout(count, 1000);
    };
    count();
  }

  /** Ends what is running here and on the server. */
  stop() {
    this.attempt += 1;
    this.waiting = false;
    const { run, unfollow } = this;
    for (const one of [...this.left.splice(0), ...(run ? [{ run, unfollow }] : [])]) this.#end(one);
  }

  /** One that goes on beside a fork is not looked at any more. @param {Run} run */
  leave(run) {
    const at = this.left.findIndex((one) => one.run === run);
    if (at >= 0) this.#end(this.left.splice(at, 1)[0]);
  }

  #end({ run, unfollow }) {
    unfollow();
    if (!run.streaming) return;
    cancel(run.id);
    run.error = { message: "stopped" };
    this.on.event("error", run);
  }
}

/** The server's messages go on from a field's name ("is not a molecule"). @param {string} name @param {string} message */
async function sentence(name, message) {
  const told = name + (await said(message));
  const whole = !name && /^(is|are|has|holds|must|does|cannot)\b/.test(message) ? t("error.this", { message: told }) : told;
  return whole.charAt(0).toUpperCase() + whole.slice(1).replace(/\.$/, "");
}
