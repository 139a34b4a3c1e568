/** All keys in one dialog, by what has the focus. Fetched when it is first asked for. */

import { t } from "./text.js";

/** Groups and their rows: the keys as they are written on a keyboard; each row's words have a key of the same name. */
const GROUPS = {
  player: {
    play: ["Space", "K"],
    step: ["←", "→"],
    jump: ["J", "L"],
    ends: ["Home", "End"],
    tenths: ["0", "9"],
    settled: [",", "."],
    speed: ["<", ">"],
  },
  stage: { swap: ["X"], samples: ["[", "]"], grid: ["G"], branch: ["B"], idea: ["I"], help: ["?"] },
  links: { tab: ["Tab"], move: ["←", "↑", "↓", "→"], turn: ["Shift", "← ↑ ↓ →"], go: ["Enter"], clear: ["Esc"] },
};
/** Keys that keyboards name in their language. */
const NAMED = new Set(["Space", "Home", "End", "Shift", "Enter"]);

/** @type {HTMLDialogElement | undefined} */
let dialog;

export function showKeys() {
  dialog ??= build();
  if (dialog.open) return;
  const before = document.activeElement;
  dialog.addEventListener("close", () => before?.focus?.({ preventScroll: true }), { once: true });
  dialog.showModal();
}

function build() {
  const made = element("dialog", { className: "keys-help" });
  const title = element("h2", { id: "keys-title", textContent: t("keys.title") });
  made.setAttribute("aria-labelledby", title.id);
  const close = element("button", { type: "button", className: "quiet", textContent: t("keys.close") });
  close.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => event.target === made && made.close());
  const head = element("header");
  head.append(title, close);
  const groups = Object.entries(GROUPS).map(([group, rows]) => {
    const section = element("section");
    const list = element("dl");
    for (const [row, keys] of Object.entries(rows)) {
      const term = element("dt");
      keys.forEach((key) => term.append(element("kbd", { textContent: NAMED.has(key) ? t(`keys.name.${key}`) : key }), " "));
      list.append(term, element("dd", { textContent: t(`keys.${group}.${row}`) }));
    }
    section.append(element("h3", { textContent: t(`keys.${group}`) }), list);
    return section;
  });
  const body = element("div", { className: "keys-groups" });
  body.append(...groups);
  made.append(head, body, element("p", { textContent: t("keys.typing") }));
  document.body.append(made);
  return made;
}

const element = (name, values = {}) => Object.assign(document.createElement(name), values);
