/** Small pieces that the lesson's panel and its printed sheet are made of. */

import { SOURCES } from "./lesson_sources.js";
import { t } from "./text.js";

/** @param {string} name @param {string} className @param {object} [values] @param {(Node | string)[]} [children] */
export function element(name, className, values = {}, children = []) {
  const made = Object.assign(document.createElement(name), className ? { className } : {}, values);
  made.append(...children);
  return made;
}

/** The papers of a lesson. @param {import("./lesson_list.js").Lesson} lesson @returns {HTMLUListElement} */
export function sourcesOf(lesson) {
  const items = lesson.sources.map((key) => {
    const { who, title, id, url } = SOURCES[key];
    const link = element("a", "", { href: url, textContent: id, rel: "noreferrer" });
    return element("li", "", {}, [who, " ", element("cite", "", { textContent: title }), " ", link]);
  });
  return element("ul", "lesson-sources", {}, items);
}

/** A part that can be opened. @param {string} title @param {HTMLElement} content @param {boolean} open */
export function details(title, content, open) {
  return element("details", "lesson-more", { open }, [element("summary", "", { textContent: title }), content]);
}

/** Runs side by side; a row of one cell is a heading. @param {{head: string[], rows: string[][]}} table @returns {HTMLTableElement} */
export function tableOf({ head, rows }) {
  const table = element("table", "");
  table.createCaption().textContent = t("lesson.table");
  const top = table.createTHead().insertRow();
  top.append(
    ...head.map((text, i) => element(i ? "th" : "td", "", { ...(i ? { scope: "col" } : {}), textContent: text })),
  );
  let body = table.createTBody();
  for (const [name, ...cells] of rows) {
    if (cells.length === 0) {
      body = body.rows.length > 0 ? table.createTBody() : body;
      const heading = element("th", "", { scope: "rowgroup", colSpan: head.length, textContent: name });
      body.insertRow().append(heading);
      continue;
    }
    const row = body.insertRow();
    row.append(
      element("th", "", { scope: "row", textContent: name }),
      ...cells.map((text) => element("td", "", { textContent: text })),
    );
  }
  return table;
}
