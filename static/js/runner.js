/** Starts live runs and follows them; turns every failure into a sentence in the right place. */

import { Refused, cancel, follow, start } from "./net.js";
import { Run } from "./run.js";
import { t } from "./text.js";

export class Runner {
  /**
   * @param {string} pipeline
   * @param {{attach: (run: Run) => void, event: (name: string, run: Run) => void,
   *   complain: (text: string, field?: string) => void, trouble: (text: string) => void}} on
   *   complain: beside the field (its dotted path if one was refused); trouble: above the stage ("" takes it back)
   */
  constructor(pipeline, on) {
    this.pipeline = pipeline;
    this.on = on;
    /** @type {Run | null} */
    this.run = null;
    this.unfollow = () => {};
    this.attempt = 0;
  }

  get busy() {
    return this.waiting === true || this.run?.streaming === true;
  }

  /** @param {object} input @param {object} settings */
  async go(input, settings) {
    this.stop();
    this.waiting = true;
    const attempt = ++this.attempt;
    let answer;
    try {
      answer = await start(this.pipeline, input, settings);
    } catch (error) {
      if (attempt !== this.attempt) return;
      this.waiting = false;
      if (!(error instanceof Refused)) throw error;
      this.#refused(error, input, settings);
      return;
    }
    if (attempt !== this.attempt) {
      cancel(answer.id);
      return;
    }
    this.waiting = false;
    this.on.complain("");
    const run = new Run({ pipeline: this.pipeline, input, settings: answer.settings, source: "live", id: answer.id });
    this.run = run;
    this.on.attach(run);
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
        if (name === "error") this.on.trouble(t("error.failed", { message: data.message }));
        this.on.event(name, run);
      },
      lost: () => this.on.trouble(t("error.reconnecting")),
      back: () => this.on.trouble(""),
      gone: () => {
        run.error = { message: "lost" };
        this.on.trouble(t("error.lost"));
        this.on.event("error", run);
      },
    });
  }

  /** @param {Refused} error */
  #refused(error, input, settings) {
    if (error.status === 429 || (error.status === 503 && error.retryAfter > 0)) {
      this.#goLater(error, input, settings);
      return;
    }
    const { field = "", message = "", accepted = "" } = error.problems[0] ?? {};
    if (error.status === 0) this.on.trouble(t("error.unreachable"));
    else if (error.status === 503)
      this.on.complain(
        t("error.off", { name: t(`${this.pipeline}.title`), reason: message.replace(/^.* is not available: /, "") }),
      );
    else {
      const name = field.startsWith("settings.") ? `${field.slice(9)} ` : "";
      const said = sentence(name + message);
      this.on.complain(
        accepted ? t("error.field", { message: said, accepted }) : t("error.message", { message: said }),
        field,
      );
    }
    this.on.event("error", null);
  }

  /** Counts down beside the field and asks again. @param {Refused} error full, or still loading */
  #goLater(error, input, settings) {
    let seconds = Math.ceil(error.retryAfter) || 2;
    const attempt = this.attempt;
    this.waiting = true;
    const count = () => {
      if (attempt !== this.attempt) return;
      if (seconds === 0) {
        this.go(input, settings);
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
    this.unfollow();
    if (!this.run?.streaming) return;
    cancel(this.run.id);
    this.run.error = { message: "stopped" };
    this.on.event("error", this.run);
  }
}

/** The server's messages go on from a field's name ("is not a molecule"). @param {string} text */
function sentence(text) {
  const whole = /^(is|are|has|holds|must|does|cannot)\b/.test(text) ? t("error.this", { message: text }) : text;
  return whole.charAt(0).toUpperCase() + whole.slice(1).replace(/\.$/, "");
}
