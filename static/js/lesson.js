/**
 * Lessons over the stage: which step is open, which are done, what the runs say about the question.
 *
 * @typedef {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>,
 *   runners: Record<string, import("./runner.js").Runner>, ask: import("./ask.js").Ask,
 *   side: import("./picture_side.js").PictureSide, follower: boolean, announce: (text: string) => void,
 *   door: import("./lesson_door.js").LessonDoor}} Page
 */

import { LESSONS, lessonOf, optionsOf } from "./lesson_list.js";
import { LessonPanel } from "./lesson_panel.js";
import { kept, keep } from "./lesson_memory.js";
import { setScene } from "./lesson_scene.js";
import { scheduleTable } from "./lesson_schedules.js";
import { Watch } from "./lesson_watch.js";
import { t } from "./text.js";

/** Milliseconds between two looks at the stage. */
const LOOK = 100;

export class Lessons {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.watch = new Watch(page);
    /** @type {import("./lesson_list.js").Lesson | null} */
    this.lesson = null;
    this.index = 0;
    this.panel = new LessonPanel({
      go: (index) => this.go(index),
      close: () => this.leave(),
      guess: (option) => this.#guess(option),
      ask: () => this.#askClass(),
      reveal: () => this.#reveal(),
      act: (settings) => this.#run(settings),
    });
  }

  /** @returns {{id: string, step: number} | null} */
  get state() {
    return this.lesson && { id: this.lesson.id, step: this.index + 1 };
  }

  get step() {
    return this.lesson.steps[this.index];
  }

  /** Opens a lesson at a step (counted from 1). An unknown one is told of. @param {string} id @param {number} number */
  show(id, number) {
    const lesson = lessonOf(id);
    if (!lesson) {
      this.page.announce(t("lesson.unknown", { id }));
      this.close();
      return;
    }
    const index = Math.min(Math.max(Math.trunc(number) || 1, 1), lesson.steps.length) - 1;
    const other = lesson !== this.lesson;
    this.lesson = lesson;
    this.index = index;
    if (other) this.done = new Set(kept("done", lesson.id) ?? []);
    document.body.dataset.lesson = lesson.id;
    setScene(this.page, this.step.scene ?? lesson.scene);
    this.watch.begin();
    this.redraw();
    this.panel.sheet.fold(false);
    this.panel.aim();
    this.timer ??= setInterval(() => this.look(), LOOK);
  }

  /** The visitor goes to another step. @param {number} index */
  go(index) {
    this.#address({ lesson: this.lesson.id, step: String(index + 1) });
    this.show(this.lesson.id, index + 1);
    this.panel.focus();
  }

  /** The visitor has had enough. */
  leave() {
    this.#address({});
    this.close();
  }

  close() {
    if (!this.lesson) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.lesson = null;
    delete document.body.dataset.lesson;
    setScene(this.page, "both");
    this.panel.hide();
  }

  #address(values) {
    if (this.page.follower) return;
    const url = new URL(location.href);
    for (const key of ["lesson", "step"]) url.searchParams.delete(key);
    for (const [key, value] of Object.entries(values)) url.searchParams.set(key, value);
    history.pushState(null, "", url);
  }

  /** Has the step been done? What do the runs say now? */
  look() {
    const now = this.watch.look();
    const { step, lesson } = this;
    this.panel.sheet.look(now.moving);
    if (step.done?.(now) && !this.done.has(step.id)) {
      this.#finish(step);
      this.redraw();
    }
    const done = this.done.has(step.id);
    this.panel.numbers({
      said: (done || step.early) && step.said ? this.#sentence(`lesson.${lesson.id}.step.${step.id}.said`, step.said(now)) : "",
      table: step.table ? scheduleTable(now) : null,
      outcome: step.reveals && done ? this.#outcome(lesson.reveal(now)) : null,
    });
  }

  #sentence(key, values) {
    return values ? t(key, values) : "";
  }

  #finish(step) {
    this.done.add(step.id);
    if (!this.page.follower) keep("done", this.lesson.id, [...this.done]);
    this.page.announce(t("lesson.done_said", { step: t(`lesson.${this.lesson.id}.step.${step.id}.title`) }));
  }

  /** Draws the whole panel again. */
  redraw() {
    if (!this.lesson) return;
    const { lesson, index, done } = this;
    const at = LESSONS.indexOf(lesson);
    this.panel.draw({
      lesson,
      number: at + 1,
      count: LESSONS.length,
      next: LESSONS[at + 1]?.id ?? null,
      index,
      done,
      guess: kept("guess", lesson.id) ?? null,
      role: this.page.follower ? "follower" : this.page.door.presenter ? "presenter" : "alone",
    });
    this.look();
  }

  // -- the question ------------------------------------------------------------------------------

  #guess(option) {
    keep("guess", this.lesson.id, option);
    this.#finish(this.step);
    this.redraw();
  }

  async #askClass() {
    const ready = `lesson_${this.lesson.id}`;
    await this.page.door.presenter.askLesson(ready, optionsOf(ready).length);
    this.#finish(this.step);
    this.redraw();
  }

  #reveal() {
    this.page.door.presenter.reveal();
  }

  /** @param {{right: number, values: Record<string, string>} | null} found */
  #outcome(found) {
    if (!found) return { guess: "", right: "", words: t("lesson.no_numbers"), hit: null, pending: false };
    const ready = `lesson_${this.lesson.id}`;
    const { poll } = this.page.door;
    // The class still answers, and everybody sees this screen.
    if (poll?.ready === ready && !poll.revealed) return { guess: "", right: "", words: "", hit: null, pending: true };
    const options = optionsOf(ready);
    const guess = kept("guess", this.lesson.id);
    return {
      guess: guess === null ? "" : t("lesson.guessed", { option: options[guess] }),
      right: t("lesson.right", { option: options[found.right] }),
      words: t(`lesson.${this.lesson.id}.reveal`, found.values),
      hit: guess === null ? null : guess === found.right,
      pending: false,
    };
  }

  /** @param {string} ready id of a question @returns {string} */
  measured(ready) {
    const lesson = lessonOf(ready.replace(/^lesson_/, ""));
    const found = lesson?.reveal(this.watch.look());
    return found ? t(`lesson.${lesson.id}.reveal`, found.values) : "";
  }

  /** @param {string} ready @returns {number | undefined} */
  right(ready) {
    return lessonOf(ready.replace(/^lesson_/, ""))?.reveal(this.watch.look())?.right;
  }

  // -- runs that a step offers -------------------------------------------------------------------

  /** Both models with what the form holds and these settings. @param {object} settings */
  #run(settings) {
    const { ask, runners } = this.page;
    const asked = ask.pipelines.map((id) => [id, ask.request(id)]);
    for (const [id, request] of asked)
      if (request) runners[id].go(request.input, { ...request.settings, ...settings });
  }
}
