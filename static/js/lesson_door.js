/** The way into the lessons: their modules, words and styles are fetched when one is opened. */

import { styled } from "./late.js";
import { words } from "./text.js";

export class LessonDoor {
  /** @param {Omit<import("./lesson.js").Page, "door">} page */
  constructor(page) {
    this.page = page;
    /** @type {import("./lesson.js").Lessons | null} */
    this.lessons = null;
    /** @type {import("./room_presenter.js").Presenter | null} */
    this.presenter = null;
    /** the room's question, if one is open @type {any} */
    this.poll = null;
    /** what {@link follow} was told last */
    this.followed = "";
    addEventListener("popstate", () => this.openFrom(location.search));
  }

  /** ?lesson=dye&step=2; without a lesson an open one is closed. @param {string} search */
  openFrom(search) {
    const given = new URLSearchParams(search);
    const id = given.get("lesson");
    if (id) return this.#show(id, Number(given.get("step")) || 1);
    this.lessons?.close();
    return undefined;
  }

  async #show(id, step) {
    this.loading ??= Promise.all([import("./lesson.js"), words("lessons", "room"), styled("lesson")]);
    const [{ Lessons }] = await this.loading;
    this.lessons ??= new Lessons({ ...this.page, door: this });
    this.lessons.show(id, step);
  }

  /** For the presenter's room. @returns {{id: string, step: number} | null} */
  state() {
    return this.lessons?.state ?? null;
  }

  /** What the presenter has open. @param {{id: string, step: number} | null} said */
  async follow(said) {
    const key = JSON.stringify(said ?? null);
    if (key === this.followed) return;
    this.followed = key;
    if (said) await this.#show(said.id, said.step);
    else this.lessons?.close();
  }

  /** A room was opened, or it is over. @param {import("./room_presenter.js").Presenter | null} presenter */
  present(presenter) {
    this.presenter = presenter;
    this.lessons?.redraw();
  }

  /** The room is over: the lesson belongs to whoever sits before it. */
  release() {
    this.poll = null;
    this.page.follower = false;
    if (this.lessons) this.lessons.page.follower = false;
    this.lessons?.redraw();
  }

  /** What the runs on the stage say about a lesson's question, "" if nothing. @param {string} ready */
  measured(ready) {
    return this.lessons?.measured(ready) ?? "";
  }

  /** The answer they have shown to be right, undefined if none. @param {string} ready @returns {number | undefined} */
  right(ready) {
    return this.lessons?.right(ready);
  }
}
