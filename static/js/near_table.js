/** The pair matrix for those who do not see it: its nearest pairs, as they are at the playhead. */

import { number, t } from "./text.js";

export const APART = 4; // nearer rows are near in every molecule
const COUNT = 20;

/**
 * Pairs by distance, nearest first. @param {import("./distances.js").Matrix} matrix @param {number} apart rows between them
 * @param {number} [count] @returns {[number, number][]}
 */
export function nearestPairs({ size, values }, apart, count = COUNT) {
  const pairs = [];
  for (let i = 0; i < size; i += 1) for (let j = i + apart; j < size; j += 1) pairs.push([i, j]);
  return pairs.sort(([a, b], [c, d]) => values[a * size + b] - values[c * size + d]).slice(0, count);
}

/**
 * @param {HTMLElement} root of summary and table
 * @param {{now: import("./distances.js").Matrix, expected: any, reference: any, name: (k: number) => string,
 *   point: (cell: [number, number] | null) => void}} what matrices are null where there is none
 */
export function fillNear(root, { now, expected, reference, name, point }) {
  const apart = now.size > 2 * APART ? APART : 1;
  const pairs = nearestPairs(now, apart);
  const table = root.querySelector("table") ?? root.appendChild(document.createElement("table"));
  const columns = [["now", now], ["expected", expected], ["reference", reference]].filter(([, matrix]) => matrix);
  const head = table.tHead ?? table.createTHead();
  const titles = [t("near.table.pair"), ...columns.map(([key]) => t(`near.table.${key}`))];
  if (head.textContent !== titles.join("")) {
    const row = document.createElement("tr");
    row.append(...titles.map((title) => Object.assign(document.createElement("th"), { scope: "col", textContent: title })));
    head.replaceChildren(row);
  }
  root.querySelector("p").textContent = t("near.table.lead", { count: pairs.length, apart });
  const body = table.tBodies[0] ?? table.createTBody();
  // Rows stay where they are while the player moves, so that one with the focus is not lost.
  while (body.rows.length > pairs.length) body.lastElementChild.remove();
  while (body.rows.length < pairs.length) body.append(rowOf(point));
  pairs.forEach(([i, j], k) => {
    const row = body.rows[k];
    row.pair = [i, j];
    row.querySelector("button").textContent = `${name(i)} – ${name(j)}`;
    while (row.cells.length > 1 + columns.length) row.lastElementChild.remove();
    while (row.cells.length < 1 + columns.length) row.insertCell();
    columns.forEach(([, { size, values }], c) => {
      row.cells[1 + c].textContent = number(Math.round(10 * values[i * size + j]) / 10);
    });
  });
}

/** Its button marks the pair in the matrix and in the molecule. */
function rowOf(point) {
  const row = document.createElement("tr");
  const title = Object.assign(document.createElement("th"), { scope: "row" });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "in-table" });
  for (const type of ["click", "focus", "pointerenter"]) button.addEventListener(type, () => point(row.pair));
  for (const type of ["blur", "pointerleave"]) button.addEventListener(type, () => point(null));
  title.append(button);
  row.append(title);
  return row;
}
