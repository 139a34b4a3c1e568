/** How a caption was read: a chip per word, pieces of unknown ones, and the concepts nearest to it. */

import { t } from "./text.js";

/**
 * @param {HTMLElement} place @param {import("./run.js").Run | null} run
 */
export function showReading(place, run) {
  const captions = captionsOf(run);
  place.hidden = captions.length === 0;
  place.replaceChildren(
    ...captions.flatMap(({ words, concepts }, i) => {
      const list = document.createElement("ul");
      list.append(...words.map(chip));
      const parts = [lead(i === 0 ? "reading.words" : "reading.to"), list];
      if (concepts.length === 0) return parts;
      const near = document.createElement("span");
      near.className = "near";
      const names = concepts.slice(0, captions.length > 1 ? 1 : 3).map(({ label }) => label);
      near.textContent = names.join(" · ");
      return [...parts, lead("reading.concepts"), near];
    }),
  );
}

/** Every caption of a run once. @param {import("./run.js").Run | null} run */
function captionsOf(run) {
  const { captions, words, concepts = [] } = run?.start ?? {};
  if (!captions) return words?.length ? [{ words, concepts }] : [];
  return captions.filter(({ prompt }, i) => captions.findIndex((other) => other.prompt === prompt) === i);
}

const lead = (key) => Object.assign(document.createElement("span"), { className: "lead", textContent: t(key) });

/** @param {{word: string, known: boolean, pieces: string[]}} read */
function chip({ word, known, pieces }) {
  const item = document.createElement("li");
  item.dataset.known = String(known);
  item.textContent = known ? word : pieces.map((piece) => piece.replace(/^##/, "")).join("·");
  if (!known) {
    item.title = t("reading.pieces", { word });
    item.append(Object.assign(document.createElement("span"), { className: "sr", textContent: ` (${item.title})` }));
  }
  return item;
}
