/**
 * The page's words, in the language that the server wrote the page in (<html lang>). The parts of the
 * catalogue that <html data-words> names are fetched before any module that says something runs; others
 * when they are needed. The server fills with English what a language lacks.
 */

import { catalogue } from "./net.js";

const root = document.documentElement;
/** "en", "de", "es" or "zh" */
export const language = root.lang.slice(0, 2) || "en";
const plurals = new Intl.PluralRules(root.lang || "en");

/** @type {Record<string, string>} */
const texts = {};
/** @type {Map<string, Promise<void>>} by part */
const loaded = new Map();

/** Fetches further parts of the catalogue, each once. @param {...string} parts @throws {import("./net.js").Refused} */
export async function words(...parts) {
  const missing = parts.filter((part) => !loaded.has(part));
  if (missing.length > 0) {
    const coming = catalogue(language, missing).then((found) => void Object.assign(texts, found));
    for (const part of missing) loaded.set(part, coming);
    coming.catch(() => missing.forEach((part) => loaded.delete(part))); // so that it can be tried again
  }
  await Promise.all(parts.map((part) => loaded.get(part)));
}

try {
  await words(...root.dataset.words.split(","));
} catch (cause) {
  throw Object.assign(new Error("the page's words did not come", { cause }), { name: "NoWords" }); // early.js says it
}

/**
 * The text of a key with {name} filled in. A key without a text of its own may have one per plural form,
 * "key.one" and "key.other", chosen by values.count. @param {string} key
 * @param {Record<string, string | number>} [values] @returns {string}
 */
export function t(key, values = {}) {
  let text = texts[key];
  if (text === undefined && values.count !== undefined)
    text = texts[`${key}.${plurals.select(Number(values.count))}`] ?? texts[`${key}.other`];
  return (text ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Whether the catalogue knows the key. @param {string} key */
export const knows = (key) => key in texts;

/** Two significant digits, no exponent. @param {number} value */
export function number(value) {
  const digits = value !== 0 && Math.abs(value) < 100 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat(root.lang || "en", digits).format(value);
}

/** A share in whole percent. @param {number} share of 1 @param {string} [digits] said instead of the number */
export const percent = (share, digits = number(Math.round(100 * share))) => t("mark.percent", { value: digits });

/** What a sentence counts up. @param {string[]} parts */
export const listed = (parts) => parts.join(t("mark.comma"));

/** Sentences one after the other. @param {string[]} sentences */
export const paragraph = (sentences) => sentences.join(t("mark.space"));

/** One of our own pages, in the language that the address asks for. @param {string} path without a "#" */
export function localLink(path) {
  const asked = new URLSearchParams(location.search).get("lang");
  return asked === null ? path : `${path}${path.includes("?") ? "&" : "?"}lang=${encodeURIComponent(asked)}`;
}
