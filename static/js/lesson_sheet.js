/** The lesson as a sheet on a phone: pulled down to one line, and out of the way while something plays. */

const PULL = 24; // pixels that a finger has to go
/** Milliseconds after a press outside the sheet in which what begins to move was asked for by it. */
const ASKED = 2500;

/** As in lesson.css: a phone or a tablet, where beside the stage there is no room. */
const phone = matchMedia("(max-width: 1100px)");

export class LessonSheet {
  /**
   * @param {HTMLElement} root the lesson's panel, whose head is pulled
   * @param {() => void} changed the sheet has another height
   */
  constructor(root, changed) {
    this.root = root;
    this.changed = changed;
    /** whether it went down because something plays, and not because it was told to */
    this.yielded = false;
    this.pressed = -Infinity;
    this.moving = false;
    document.addEventListener("pointerdown", (event) => {
      if (!root.contains(event.target)) this.pressed = performance.now();
    });
    let from = null;
    root.addEventListener("pointerdown", (event) => {
      const pulls = phone.matches && event.target.closest(".lesson-head") && !event.target.closest("button");
      from = pulls ? event.clientY : null;
      if (pulls) root.setPointerCapture(event.pointerId); // it goes on above a sheet of one line
    });
    root.addEventListener("pointermove", (event) => {
      if (from === null || Math.abs(event.clientY - from) < PULL) return;
      this.fold(event.clientY > from);
      from = null;
    });
    for (const end of ["pointerup", "pointercancel"]) root.addEventListener(end, () => (from = null));
  }

  get folded() {
    return this.root.hasAttribute("data-folded");
  }

  /** @param {boolean} down @param {boolean} [yielded] */
  fold(down, yielded = false) {
    this.yielded = yielded;
    if (down === this.folded) return;
    this.root.toggleAttribute("data-folded", down);
    this.changed();
  }

  /** What the visitor starts is to be seen: the sheet makes room until it has come to rest. @param {boolean} moving */
  look(moving) {
    const began = moving && !this.moving && performance.now() - this.pressed < ASKED;
    this.moving = moving;
    if (began && phone.matches && !this.folded) {
      this.fold(true, true);
      LessonSheet.#pictures()?.scrollIntoView({ block: "start", behavior: "instant" });
    } else if (!moving && this.yielded) this.fold(false);
  }

  static #pictures() {
    return [...document.querySelectorAll(".panels, #dye-section .views")].find((one) => one.checkVisibility());
  }

  /** A step has been opened: what it asks for or asks to look at is in sight. @param {Element | undefined} place */
  aim(place) {
    if (!phone.matches) return;
    const inPlayer = place?.closest(".player");
    const shown = LessonSheet.#pictures();
    const aimed = place && !inPlayer ? place : shown;
    aimed?.scrollIntoView({ block: aimed === shown ? "start" : "nearest", behavior: "instant" });
  }
}
