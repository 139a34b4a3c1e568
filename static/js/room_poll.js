/** The card with a question: a class predicts, the presenter reveals. */

import { shares } from "./room_state.js";
import { paragraph, percent, t } from "./text.js";

/**
 * @typedef {{number: number, ready?: string, question?: string, options?: string[], count: number,
 *   revealed: boolean, tally?: number[], right?: number | null}} Poll
 */

/** The words of a question, ready or typed. @param {Poll} poll */
export function wordsOf(poll) {
  if (!poll.ready) return { question: poll.question ?? "", options: poll.options ?? [], why: "" };
  const options = Array.from({ length: poll.count }, (_, i) => t(`poll.${poll.ready}.option.${i}`));
  return { question: t(`poll.${poll.ready}.question`), options, why: t(`poll.${poll.ready}.why`) };
}

/** "no answer yet", "1 answer", "12 answers" and the like. @param {string} key @param {number} count */
export const counted = (key, count) => t(`${key}.${count > 1 ? "n" : count}`, { count });

export class PollCard {
  /**
   * @param {HTMLElement} root
   * @param {{choose?: (poll: Poll, option: number) => void, measured: (id: string) => string}} on
   *   choose: a follower's answer; measured: what the stage's own curves say about a ready question
   */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    const part = (name) => root.querySelector(`[data-role="${name}"]`);
    [this.question, this.options, this.note, this.why] = ["question", "options", "note", "why"].map(part);
    /** @type {Poll | null} */
    this.poll = null;
    this.key = "";
    this.mine = null;
    this.tally = null;
  }

  /**
   * @param {Poll | null} poll @param {number | null} mine this follower's answer
   * @param {number[] | null} tally counts, where they may be seen
   */
  show(poll, mine, tally) {
    this.root.hidden = poll === null;
    this.poll = poll;
    if (!poll) return;
    this.mine = mine;
    this.tally = poll.revealed ? poll.tally : tally;
    if (this.#key() !== this.key) this.#build();
    this.#mark();
  }

  #key() {
    return `${this.poll.number} ${this.poll.revealed}`;
  }

  #build() {
    const { question, options, why } = wordsOf(this.poll);
    this.key = this.#key();
    this.question.textContent = question;
    const open = this.on.choose && !this.poll.revealed;
    this.options.replaceChildren(
      ...options.map((text, i) => {
        const box = document.createElement(open ? "button" : "div");
        box.className = "option";
        if (open) {
          box.type = "button";
          box.addEventListener("click", () => this.on.choose(this.poll, i));
        }
        for (const [name, words] of Object.entries({ bar: "", words: text, count: "" }))
          box.append(Object.assign(document.createElement("span"), { className: name, textContent: words }));
        box.querySelector(".bar").setAttribute("aria-hidden", "true");
        const item = document.createElement("li");
        item.append(box);
        return item;
      }),
    );
    this.root.dataset.side = this.poll.ready?.startsWith("molecule") ? "left" : "right";
    this.why.hidden = !this.poll.revealed || !why;
  }

  #mark() {
    const { poll, mine, tally } = this;
    const { options, why } = wordsOf(poll);
    const measured = poll.ready ? this.on.measured(poll.ready) : "";
    this.why.textContent = measured ? paragraph([why, t("poll.measured", { summary: measured })]) : why;
    const part = tally ? shares(tally) : [];
    [...this.options.children].forEach(({ firstElementChild: box }, i) => {
      if (box instanceof HTMLButtonElement) box.setAttribute("aria-pressed", String(mine === i));
      box.classList.toggle("mine", mine === i);
      box.classList.toggle("right", poll.revealed && poll.right === i);
      box.querySelector(".bar").style.transform = `scaleX(${(part[i] ?? 0) / 100})`;
      const said = tally ? `${percent(part[i] / 100)} (${tally[i]})` : "";
      box.querySelector(".count").textContent = poll.revealed && poll.right === i ? `${said} ✓ ${t("poll.right")}` : said;
    });
    if (!this.on.choose) return;
    if (!poll.revealed) this.note.textContent = t(mine === null ? "poll.choose" : "poll.yours");
    else if (mine === null) this.note.textContent = t("poll.was_silent");
    else if (poll.right === mine) this.note.textContent = t("poll.was_right");
    else this.note.textContent = t("poll.was_wrong", { option: options[mine] ?? "" });
  }
}
