/** The library of examples: a dialog to search and browse, by mouse, keyboard or thumb. */

import { knows, t } from "./text.js";

/** @typedef {{label: string, input: any, line?: string, group?: string, training?: string, also?: string}} Example */

export class Library {
  /** @param {HTMLDialogElement} dialog @param {(example: Example) => void} chosen */
  constructor(dialog, chosen) {
    this.dialog = dialog;
    this.chosen = chosen;
    this.search = dialog.querySelector("input");
    this.list = dialog.querySelector(".library-list");
    this.count = dialog.querySelector(".library-count");
    /** @type {Example[]} */
    this.examples = [];
    this.search.addEventListener("input", () => this.#filter());
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {Example[]} examples */
  offer(examples) {
    this.examples = examples;
    const groups = Map.groupBy(examples, ({ group }) => group ?? "");
    this.list.replaceChildren(
      ...[...groups].map(([name, members], k) => {
        const section = document.createElement("section");
        const heading = Object.assign(document.createElement("h3"), { textContent: name, id: `library-group-${k}` });
        section.setAttribute("aria-labelledby", heading.id);
        heading.hidden = name === "";
        const list = document.createElement("ul");
        list.append(...members.map((example) => this.#item(example)));
        section.append(heading, list);
        return section;
      }),
    );
    this.#filter();
  }

  /** @param {Example} example */
  #item(example) {
    const { label, line = "", group = "", also = "", training, input } = example;
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(span("name", label));
    if (knows(`training.short.${training}`)) {
      const badge = span("training", t(`training.short.${training}`));
      badge.dataset.training = training;
      button.append(badge);
    }
    if (line) button.append(span("line", line));
    if (input.profile) button.append(span("line", t("library.profile")));
    button.addEventListener("click", () => {
      this.dialog.close();
      this.chosen(example);
    });
    const known = knows(`training.short.${training}`) ? t(`training.short.${training}`) : "";
    item.dataset.words = [label, line, group, also, known].join(" ").toLowerCase();
    item.append(button);
    return item;
  }

  open() {
    this.search.value = "";
    this.#filter();
    this.dialog.showModal();
    this.search.focus();
  }

  #filter() {
    const wanted = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const section of this.list.children) {
      let here = 0;
      for (const item of section.querySelectorAll("li")) {
        item.hidden = !wanted.every((word) => item.dataset.words.includes(word));
        here += Number(!item.hidden);
      }
      section.hidden = here === 0;
      found += here;
    }
    this.count.textContent = found > 0 ? t("library.found", { count: found }) : t("library.found.0");
  }

  /** Arrows go through what was found; Enter in the search takes the first. */
  #key(event) {
    const buttons = [...this.list.querySelectorAll("li:not([hidden]) button")].filter((b) => !b.closest("[hidden]"));
    const at = buttons.indexOf(document.activeElement);
    if (event.key === "Enter" && document.activeElement === this.search) {
      event.preventDefault();
      buttons[0]?.click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (buttons[next] ?? (next < 0 ? this.search : buttons.at(-1)))?.focus();
    }
    event.stopPropagation(); // the player's keys rest while the dialog is open
  }
}

function span(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent });
}
