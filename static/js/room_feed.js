/** The stream of a room as runs: what a follower sees, and how a presenter takes a room up again. */

import { Refused, followRoom, roomView } from "./net.js";
import { Run } from "./run.js";

const AGAIN = 3; // seconds, where the server names none

export class RoomFeed {
  /**
   * @param {string} code
   * @param {{room: (cell: {state: any, poll: any, version: number}) => void,
   *   event: (name: string, run: Run) => void, lost: () => void, back: () => void,
   *   full: (seconds: number) => void, ended: (reason: string) => void}} on
   *   event: a run's; ended: for good, "gone" if the room is not known any more
   */
  constructor(code, on) {
    this.code = code;
    this.on = on;
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    this.answers = "";
    this.close = () => {};
    this.closed = false;
  }

  /** Joins, and goes on trying until the room is known to have ended. */
  async join() {
    let view;
    try {
      view = await roomView(this.code);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 404) this.#end("gone");
      else this.#again(error);
      return;
    }
    if (this.closed) return;
    this.answers = view.answers;
    this.close = followRoom(view.events, {
      room: (cell) => {
        this.#forget(cell.state);
        this.on.room(cell);
      },
      run: (event) => this.#apply(event),
      lost: () => this.on.lost(),
      back: () => this.on.back(),
      ended: (reason) => this.#end(reason),
      gone: () => this.#lookAgain(),
    });
  }

  stop() {
    this.closed = true;
    this.close();
  }

  /** The stream was refused: the room is full or gone, or a proxy had a bad moment. */
  async #lookAgain() {
    if (this.closed) return;
    try {
      await roomView(this.code);
      this.#again(new Refused(503, [], 5));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 404) this.#end("gone");
      else this.#again(error);
    }
  }

  #again({ status, retryAfter }) {
    if (this.closed) return;
    const seconds = Math.ceil(retryAfter) || AGAIN;
    if (status === 429 || status === 503) this.on.full(seconds);
    else this.on.lost();
    setTimeout(() => !this.closed && this.join(), 1000 * seconds);
  }

  #end(reason) {
    this.stop();
    this.on.ended(reason);
  }

  #apply({ run: id, id: index, event, data }) {
    let run = this.runs.get(id);
    if (event === "start") {
      run ??= new Run({ pipeline: data.pipeline, input: data.input, settings: data.settings, source: "live", id });
      this.runs.set(id, run);
    }
    // A joined stream begins with the first event of every run; what was seen before is not seen twice.
    if (!run || index < (run.seen ?? 0)) return;
    run.seen = index + 1;
    run.apply(event, data);
    this.on.event(event, run);
  }

  /** Runs that no panel shows are of no use any more. */
  #forget(state) {
    const kept = new Set(Object.values(state?.panels ?? {}).map(({ run }) => run));
    for (const [id, run] of this.runs) if (!kept.has(id) && run.seen) this.runs.delete(id);
  }
}
