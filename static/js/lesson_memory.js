/** What a visitor has done and guessed outlives a reload; where storage is forbidden, it lasts as long as the page. */

const memory = new Map();

/** @param {"done" | "guess" | "notes"} what @param {string} lesson @returns {any} null if nothing is kept */
export function kept(what, lesson) {
  const key = `lesson ${what} ${lesson}`;
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

/** @param {"done" | "guess" | "notes"} what @param {string} lesson @param {any} value */
export function keep(what, lesson, value) {
  const key = `lesson ${what} ${lesson}`;
  memory.set(key, value);
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage may be forbidden.
  }
}
