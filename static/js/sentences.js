/**
 * What the server says (notes, refusals, errors) in the page's language. The catalogue's part "messages" holds
 * its English sentences as templates ("has {count} characters"); what none of them fits stays English.
 */

import { catalogue } from "./net.js";
import { SentenceTable } from "./sentence_table.js";
import { language } from "./text.js";

const EMPTY = new SentenceTable({});
/** @type {Promise<SentenceTable> | null} */
let coming = null;

/** @returns {Promise<SentenceTable>} */
function table() {
  if (language === "en") return Promise.resolve(EMPTY);
  coming ??= catalogue(language, ["messages"]).then(
    (found) => new SentenceTable(found),
    () => {
      coming = null; // English for now, and another try with the next sentence
      return EMPTY;
    },
  );
  return coming;
}

/** A sentence of the server as this page's visitors read it. @param {string} sentence @returns {Promise<string>} */
export const said = async (sentence) => (await table()).find(sentence) ?? sentence;

/**
 * Examples with their names, groups and lines as this page's visitors read them; "also" keeps the English ones, for a search.
 * @param {import("./library.js").Example[]} examples @returns {Promise<import("./library.js").Example[]>}
 */
export const toldExamples = (examples) =>
  Promise.all(
    examples.map(async (example) => {
      const { label, line = "", group = "" } = example;
      const [name, words, kind] = await Promise.all([label, line, group].map(said));
      return { ...example, label: name, line: words, group: kind, also: `${label} ${line} ${group}` };
    }),
  );

/** Writes a sentence of the server into an element; one that stays English is marked as such. @param {HTMLElement} element @param {string} sentence */
export async function tell(element, sentence) {
  element.textContent = sentence;
  if (language === "en") return;
  const found = (await table()).find(sentence);
  if (element.textContent !== sentence) return; // it holds something else by now
  if (found === null) element.lang = "en";
  else element.textContent = found;
}
