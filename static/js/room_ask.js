/** The presenter's dialog with ready questions and a field for one of their own. */

import { t } from "./text.js";

const byId = (id) => document.getElementById(id);

/** The page's own questions and how many answers each has; the server knows which one is right. */
export const READY = { molecule_first: 2, picture_first: 2, molecule_start: 3, same_seed: 3, shared_part: 3 };

export class AskDialog {
  /** @param {(asked: object, count: number) => void} ask count: of the answers */
  constructor(ask) {
    this.dialog = byId("ask-dialog");
    this.form = byId("ask-own");
    this.error = byId("ask-error");
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    byId("ask-ready").replaceChildren(
      ...Object.entries(READY).map(([ready, count]) => {
        const button = Object.assign(document.createElement("button"), {
          type: "button",
          textContent: t(`poll.${ready}.question`),
        });
        button.addEventListener("click", () => {
          this.dialog.close();
          ask({ ready }, count);
        });
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
    for (const label of this.form.querySelectorAll("[data-ask-option]")) {
      const n = Number(label.dataset.askOption);
      label.textContent = t(n > 2 ? "ask.option_more" : "ask.option", { n });
    }
    byId("ask-right").replaceChildren(
      new Option(t("ask.right_none"), ""),
      ...[1, 2, 3, 4].map((n) => new Option(t("ask.right_n", { n }), String(n - 1))),
    );
    byId("ask-close").addEventListener("click", () => this.dialog.close(), { signal });
    this.form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        const poll = this.#own();
        this.error.hidden = poll !== null;
        if (!poll) return;
        this.dialog.close();
        this.form.reset();
        ask(poll, poll.options.length);
      },
      { signal },
    );
  }

  show() {
    this.error.hidden = true;
    this.dialog.showModal();
  }

  stop() {
    this.listeners.abort();
    this.dialog.close();
  }

  /** The typed question, null if something is missing. An answer left empty closes the gap. */
  #own() {
    const data = new FormData(this.form);
    const question = String(data.get("question")).trim();
    const typed = data.getAll("option").map((text) => String(text).trim());
    const options = typed.filter(Boolean);
    const chosen = String(data.get("right"));
    const right = chosen === "" || !typed[chosen] ? null : typed.slice(0, Number(chosen)).filter(Boolean).length;
    return question && options.length >= 2 ? { question, options, right } : null;
  }
}
