/** The prior's way through the map for those who do not see it: every step with the concepts it is nearest to. */

import { nearest } from "./projection.js";
import { number, t } from "./text.js";

/**
 * @param {HTMLElement} root @param {import("./run.js").Frame[]} frames of the prior
 * @param {{noisy: [number, number][], guess: [number, number][]}} way where each is on the map
 * @param {{label: string, x: number, y: number}[]} points the concepts @param {(level: number) => void} seek
 */
export function fillMap(root, frames, { noisy, guess }, points, seek) {
  const places = points.map(({ x, y }) => [x, y]);
  const label = (place) => points[nearest(places, place)].label;
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const key of ["step", "noise", "noisy", "guess"])
    head.append(Object.assign(document.createElement("th"), { scope: "col", textContent: t(`map.table.${key}`) }));
  const body = table.createTBody();
  frames.forEach(({ step: at, sigma_over_data: noise, level }, i) => {
    const step = at + 1;
    const row = body.insertRow();
    const title = Object.assign(document.createElement("th"), { scope: "row" });
    const button = Object.assign(document.createElement("button"), { type: "button", className: "in-table", textContent: String(step) });
    button.setAttribute("aria-label", t("map.table.go", { step }));
    button.addEventListener("click", () => seek(level));
    title.append(button);
    row.append(title);
    for (const text of [number(noise), label(noisy[i]), label(guess[i])]) row.insertCell().textContent = text;
  });
  root.replaceChildren(table);
}

/** Marks the step that is shown. @param {HTMLElement} root @param {number} at its place, -1 for none */
export function markMap(root, at) {
  [...(root.querySelector("tbody")?.rows ?? [])].forEach((row, i) => row.toggleAttribute("data-here", i === at));
}
