/** Light, dark and projector: by switch, by ?theme=, remembered. early.js sets it before the first paint. */

/** @returns {string} */
export const currentTheme = () => document.documentElement.dataset.theme;

function mark() {
  for (const button of document.querySelectorAll("[data-theme-name]"))
    button.setAttribute("aria-pressed", String(button.dataset.themeName === currentTheme()));
}

/** Shows a theme without remembering it: it is somebody else's. @param {string} name @returns {boolean} whether it is another one */
export function showTheme(name) {
  if (name === currentTheme()) return false;
  document.documentElement.dataset.theme = name;
  mark();
  return true;
}

/** @param {() => void} changed called after a switch, for everything drawn on a canvas */
export function themeSwitch(changed) {
  const buttons = [...document.querySelectorAll("[data-theme-name]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = button.dataset.themeName;
      try {
        localStorage.setItem("theme", currentTheme());
      } catch {
        // Storage may be forbidden: the choice then lasts as long as the page.
      }
      mark();
      changed();
    });
  }
  mark();
}
