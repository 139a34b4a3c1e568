/** A sentence above the stage that goes when it is told to: what a file or a link brought, or could not. */

import { styled } from "./late.js";
import { t, words } from "./text.js";

/** @type {HTMLElement | null} */
let box = null;

/**
 * @param {string[]} sentences @param {{text: string, act: () => void}[]} [ways] buttons; each closes it
 * @param {boolean} [bad] whether something did not work
 */
export async function notice(sentences, ways = [], bad = false) {
  await Promise.all([words("files"), styled("files")]);
  if (!box) {
    box = Object.assign(document.createElement("div"), { className: "notice", id: "notice" });
    document.getElementById("trouble").after(box);
  }
  box.dataset.bad = String(bad);
  box.hidden = false;
  const text = Object.assign(document.createElement("p"), { textContent: sentences.join(" ") });
  text.setAttribute("role", bad ? "alert" : "status");
  const buttons = ways.map(({ text: label, act }) => button(label, "pill", act));
  const close = button("×", "quiet close", () => {});
  close.setAttribute("aria-label", t("notice.close"));
  box.replaceChildren(text, ...buttons, close);
}

/** Takes the sentence back. */
export function quiet() {
  if (box) box.hidden = true;
}

function button(textContent, className, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent, className });
  made.addEventListener("click", () => {
    quiet();
    act();
  });
  return made;
}
