/** The lesson's panel: beside the stage, or a sheet at the lower edge of a phone. It draws what it is told. */

import { details, element, sourcesOf, tableOf } from "./lesson_elements.js";
import { optionsOf } from "./lesson_list.js";
import { keep, kept } from "./lesson_memory.js";
import { LessonSheet } from "./lesson_sheet.js";
import { localLink, t } from "./text.js";

/**
 * @typedef {{lesson: import("./lesson_list.js").Lesson, number: number, count: number, next: string | null,
 *   index: number, done: Set<string>, guess: number | null, role: "alone" | "presenter" | "follower"}} Shown
 * @typedef {{guess: string, right: string, words: string, hit: boolean | null, pending: boolean}} Outcome
 *   pending: the class has been asked and not been told yet
 */

export class LessonPanel {
  /**
   * @param {{go: (index: number) => void, close: () => void, guess: (option: number) => void,
   *   ask: () => void, reveal: () => void, act: (settings: object) => void}} on
   */
  constructor(on) {
    this.on = on;
    this.root = element("aside", "lesson", { id: "lesson", hidden: true });
    this.root.setAttribute("aria-labelledby", "lesson-title");
    document.querySelector("main").before(this.root);
    this.notes = kept("notes", "all") === true;
    this.marked = [];
    this.sheet = new LessonSheet(this.root, () => {
      this.#sayFold();
      this.#measure();
    });
    // A phone's player stands on the sheet, however high that is.
    new ResizeObserver(() => this.#measure()).observe(this.root);
  }

  hide() {
    this.#mark(null);
    this.root.replaceChildren();
    this.root.hidden = true;
    this.last = "";
    document.documentElement.style.removeProperty("--sheet");
  }

  /** To where the step's words begin, for the keyboard and for those who listen. */
  focus() {
    this.marked[0]?.scrollIntoView({ block: "nearest", inline: "center" });
    this.aim();
    this.root.querySelector("h3")?.focus({ preventScroll: true });
    this.body.scrollTop = 0;
  }

  /** On a phone: what the step is about is in sight. */
  aim() {
    this.sheet.aim(this.marked[0]);
  }

  /** @param {Shown} shown */
  draw(shown) {
    const { lesson, index, done } = shown;
    this.shown = shown;
    this.root.hidden = false;
    const step = lesson.steps[index];
    const key = `lesson.${lesson.id}.step.${step.id}`;
    const held = this.root.contains(document.activeElement) ? document.activeElement.dataset.hold : undefined;
    const heading = element("h3", "", { textContent: t(`${key}.title`), tabIndex: -1 });
    this.said = element("p", "lesson-said", { hidden: true });
    this.table = element("div", "lesson-table", { hidden: true });
    this.outcome = element("div", "lesson-outcome", { hidden: true });
    this.body = element("div", "lesson-body", {}, [
      heading,
      element("p", "", { textContent: t(`${key}.text`) }),
      ...(step.asks ? this.#question(shown) : []),
      ...(step.act ? [this.#act(step.act, shown.role)] : []),
      this.#tick(done.has(step.id)),
      this.said,
      this.outcome,
      this.table,
      ...(lesson.steps.every(({ id }) => done.has(id))
        ? [element("p", "lesson-complete", { textContent: t("lesson.complete") })]
        : []),
      ...this.#more(shown, key),
    ]);
    this.body.tabIndex = 0;
    this.body.setAttribute("role", "region");
    this.body.setAttribute("aria-label", t(`${key}.title`));
    this.root.replaceChildren(this.#head(shown), this.#steps(shown), this.body, this.#nav(shown));
    this.last = "";
    this.#mark(done.has(step.id) ? null : (step.here ?? null));
    if (held) this.root.querySelector(`[data-hold="${held}"]`)?.focus();
    this.#measure();
  }

  /** What the runs say now. @param {{said: string, table: any, outcome: Outcome | null}} found */
  numbers(found) {
    const key = JSON.stringify(found);
    if (key === this.last) return;
    this.last = key;
    this.said.textContent = found.said;
    this.said.hidden = found.said === "";
    this.table.hidden = found.table === null;
    if (found.table) this.table.replaceChildren(tableOf(found.table));
    this.outcome.hidden = found.outcome === null;
    if (found.outcome) this.#showOutcome(found.outcome);
  }

  #head({ lesson, number, count, index, done }) {
    const { id } = lesson.steps[index];
    const now = t(done.has(id) ? "lesson.step_done" : "lesson.step", { n: index + 1, title: t(`lesson.${lesson.id}.step.${id}.title`) });
    const head = element("header", "lesson-head", {}, [
      element("p", "lesson-place", { textContent: t("lesson.place", { number, count }) }),
      element("h2", "", { id: "lesson-title", textContent: t(`lesson.${lesson.id}.title`) }),
      element("p", "lesson-now", { textContent: now }),
      this.#button("lesson-fold", "", () => this.#fold(), "fold"),
      this.#button("lesson-close", "×", () => this.on.close(), "close"),
    ]);
    head.querySelector(".lesson-close").setAttribute("aria-label", t("lesson.close"));
    this.folder = head.querySelector(".lesson-fold");
    this.#sayFold();
    return head;
  }

  #fold() {
    this.sheet.fold(!this.sheet.folded);
  }

  #sayFold() {
    const folded = this.root.hasAttribute("data-folded");
    this.folder.setAttribute("aria-expanded", String(!folded));
    this.folder.setAttribute("aria-label", t(folded ? "lesson.unfold" : "lesson.fold"));
  }

  #steps({ lesson, index, done }) {
    const list = element("ol", "lesson-steps");
    list.setAttribute("aria-label", t("lesson.steps"));
    list.append(
      ...lesson.steps.map(({ id }, i) => {
        const finished = done.has(id);
        const button = this.#button("", finished ? "✓" : String(i + 1), () => this.on.go(i), `step${i}`);
        const title = t(`lesson.${lesson.id}.step.${id}.title`);
        button.setAttribute("aria-label", t(finished ? "lesson.step_done" : "lesson.step", { n: i + 1, title }));
        button.title = title;
        button.dataset.done = String(finished);
        if (i === index) button.setAttribute("aria-current", "step");
        return element("li", "", {}, [button]);
      }),
    );
    return list;
  }

  #tick(finished) {
    const tick = element("p", "lesson-tick", { textContent: t(finished ? "lesson.done" : "lesson.todo") });
    tick.dataset.done = String(finished);
    return tick;
  }

  /** Choices of one's own, or the class's; followers answer in the room's card. */
  #question({ lesson, guess, role, done, index }) {
    const ready = `lesson_${lesson.id}`;
    const question = element("p", "lesson-question", { textContent: t(`poll.${ready}.question`), id: "lesson-question" });
    if (role === "follower") return [question, element("p", "lesson-hint", { textContent: t("lesson.wait") })];
    const options = optionsOf(ready);
    const list = element("ul", "lesson-options");
    list.setAttribute("aria-labelledby", "lesson-question");
    if (role === "presenter") {
      list.append(...options.map((text) => element("li", "", { textContent: text })));
      const ask = this.#button("strong", t("lesson.ask"), () => this.on.ask(), "ask");
      const asked = done.has(lesson.steps[index].id);
      return [question, list, ask, ...(asked ? [element("p", "lesson-hint", { textContent: t("lesson.asked") })] : [])];
    }
    list.append(
      ...options.map((text, i) => {
        const button = this.#button("option", text, () => this.on.guess(i), `option${i}`);
        button.setAttribute("aria-pressed", String(guess === i));
        return element("li", "", {}, [button]);
      }),
    );
    const hint = t(guess === null ? "lesson.choose" : "lesson.chosen");
    return [question, list, element("p", "lesson-hint", { textContent: hint })];
  }

  #act({ key, settings }, role) {
    const button = this.#button("strong", t(key), () => this.on.act(settings), "act");
    button.hidden = role === "follower";
    return button;
  }

  #showOutcome({ guess, right, words, hit, pending }) {
    const { role, lesson } = this.shown;
    const parts = [element("h4", "", { textContent: t("lesson.outcome") })];
    const said = role === "alone" ? [guess, right, words] : [right, words]; // a class answers in the room's card
    parts.push(...said.filter(Boolean).map((textContent) => element("p", "", { textContent })));
    if (role === "alone" && hit !== null)
      parts.push(element("p", "lesson-verdict", { textContent: t(hit ? "lesson.hit" : "lesson.miss") }));
    if (right) parts.push(element("p", "lesson-why", { textContent: t(`poll.lesson_${lesson.id}.why`) }));
    if (pending && role === "presenter")
      parts.push(this.#button("strong", t("lesson.reveal"), () => this.on.reveal(), "reveal"));
    else if (pending) parts.push(element("p", "", { textContent: t("lesson.pending") }));
    this.outcome.replaceChildren(...parts);
  }

  /** Notes for whoever presents, remarks on the article, papers. */
  #more({ lesson, index, role }, key) {
    const remarks = Array.from({ length: lesson.correct }, (_, i) =>
      element("li", "", { textContent: t(`lesson.${lesson.id}.correct.${i}`) }),
    );
    const more = [];
    if (role !== "follower") {
      const notes = element("p", "lesson-note", { textContent: t(`${key}.note`), hidden: !this.notes });
      const toggle = this.#button("quiet lesson-notes", t("lesson.notes"), () => this.#notes(toggle, notes), "notes");
      toggle.setAttribute("aria-pressed", String(this.notes));
      const print = element("a", "quiet", { href: localLink(`/lessons?print=${lesson.id}`), textContent: t("lesson.print") });
      const all = element("a", "quiet", { href: localLink("/lessons"), textContent: t("lesson.all") });
      more.push(notes, element("p", "lesson-tools", {}, [toggle, print, all]));
    }
    const last = index === lesson.steps.length - 1;
    more.unshift(
      details(t("lesson.correct"), element("ul", "lesson-remarks", {}, remarks), last),
      details(t("lesson.sources"), sourcesOf(lesson), false),
    );
    return more;
  }

  #notes(toggle, notes) {
    this.notes = !this.notes;
    keep("notes", "all", this.notes);
    toggle.setAttribute("aria-pressed", String(this.notes));
    notes.hidden = !this.notes;
  }

  #nav({ lesson, index, done, next, role }) {
    const last = index === lesson.steps.length - 1;
    const back = this.#button("quiet", t("lesson.back"), () => this.on.go(index - 1), "back");
    back.disabled = index === 0;
    const parts = [back];
    if (!last) {
      const on = this.#button("strong", t("lesson.next"), () => this.on.go(index + 1), "next");
      on.dataset.ready = String(done.has(lesson.steps[index].id));
      parts.push(on);
    } else {
      if (next && role !== "follower")
        parts.push(element("a", "strong", { href: localLink(`/?lesson=${next}&step=1`), textContent: t("lesson.next_lesson") }));
    }
    return element("div", "lesson-nav", {}, parts);
  }

  #button(className, text, act, hold) {
    const button = element("button", className, { type: "button", textContent: text });
    button.dataset.hold = hold; // so that the focus can come back after a redraw
    button.addEventListener("click", act);
    return button;
  }

  /** What the step is about is framed on the stage. @param {string | null} selector */
  #mark(selector) {
    for (const place of this.marked) delete place.dataset.lessonHere;
    this.marked = selector ? [...document.querySelectorAll(selector)] : [];
    for (const place of this.marked) place.dataset.lessonHere = "";
  }

  #measure() {
    document.documentElement.style.setProperty("--sheet", `${this.root.offsetHeight}px`);
  }
}
