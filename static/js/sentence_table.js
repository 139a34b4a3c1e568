/** Sentence templates and their translations, as gettext does it; here the values are found by fitting the template. Pure. */

const HOLE = /\{(\w+)\}/g;
const DEPTH = 3; // a value may be a sentence of its own, and so may one of its values

/** @param {string} template @returns {RegExp} */
function fitting(template) {
  const parts = template.split(HOLE); // text, name, text, name, ..., text
  const said = parts.map((part, i) => (i % 2 ? "(.+?)" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${said.join("")}$`, "s");
}

const literal = (template) => template.replace(HOLE, "").length;

export class SentenceTable {
  /** @param {Record<string, string>} translations by English template */
  constructor(translations) {
    this.whole = translations;
    // Those that say most themselves first: "has {count} heavy atoms" before "has {count}".
    this.open = Object.keys(translations)
      .filter((template) => template.search(HOLE) >= 0)
      .sort((a, b) => literal(b) - literal(a))
      .map((template) => ({
        names: [...template.matchAll(HOLE)].map(([, name]) => name),
        pattern: fitting(template),
        text: translations[template],
      }));
  }

  /** The translation, null if no template fits. @param {string} sentence @returns {string | null} */
  find(sentence, depth = 0) {
    if (Object.hasOwn(this.whole, sentence)) return this.whole[sentence];
    for (const { names, pattern, text } of this.open) {
      const found = pattern.exec(sentence);
      if (!found) continue;
      const values = Object.fromEntries(
        names.map((name, i) => {
          const value = found[i + 1];
          return [name, (depth < DEPTH && this.find(value, depth + 1)) || value];
        }),
      );
      return text.replace(HOLE, (whole, name) => values[name] ?? whole);
    }
    return null;
  }
}
