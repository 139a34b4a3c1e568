/** The page's words: the catalogue in use, filled in. One language now; others only add a file. */

import { en } from "./text/en.js";

/** @type {Record<string, Record<string, string>>} */
const CATALOGUES = { en };

let language = "en";

/** @param {string} key @param {Record<string, string | number>} [values] @returns {string} */
export function t(key, values = {}) {
  const text = CATALOGUES[language][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Sentences that are fetched when they are needed. @param {Record<string, string>} words in the language in use */
export const addWords = (words) => Object.assign(CATALOGUES[language], words);

/** Whether the catalogue knows the key. @param {string} key */
export const knows = (key) => key in en;

/** Two significant digits, no exponent. @param {number} value */
export function number(value) {
  const digits = value !== 0 && Math.abs(value) < 100 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat(language, digits).format(value);
}

/** Writes the catalogue into elements marked data-t (text) and data-t-label (aria-label). @param {ParentNode} root */
export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
}
