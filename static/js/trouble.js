/** What went wrong with the whole page or its runs: a sentence above everything and, where there is one, a way out. */

import { t } from "./text.js";

let shown = "";
/** @type {(() => void)[]} what the button does: everything that was offered since there was no trouble */
let ways = [];

/**
 * @param {string} text "" takes it back @param {(() => void) | null} [again] what the button does
 * @param {string} [label] of the button
 */
export function trouble(text, again = null, label = t("error.again")) {
  const box = document.getElementById("trouble");
  if (text === "") ways = [];
  else if (again) ways = [...ways, again];
  shown = text;
  box.textContent = text;
  box.hidden = text === "";
  if (!again) return;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  button.addEventListener("click", () => {
    const acts = ways;
    trouble("");
    for (const act of acts) act();
  });
  box.append(" ", button);
}

/** Says so when a script fails; a page that has failed can only be loaded anew. */
export function watchScripts() {
  const failed = () => {
    if (shown !== t("error.script")) trouble(t("error.script"), () => location.reload(), t("reload"));
  };
  addEventListener("error", (event) => event.error && failed());
  addEventListener("unhandledrejection", failed);
}
