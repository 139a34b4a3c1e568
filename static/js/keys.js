/** Keyboard of the player; silent while somebody types or a control wants the key for itself. */

import { styled } from "./late.js";
import { words } from "./text.js";

const ACTIONS = {
  k: "toggle",
  " ": "toggle",
  arrowleft: "back",
  arrowright: "forward",
  arrowdown: "back",
  arrowup: "forward",
  pageup: "jump_on",
  pagedown: "jump_back",
  j: "jump_back",
  l: "jump_on",
  home: "first",
  end: "last",
  x: "swap",
  "[": "sample_back",
  "]": "sample_on",
  g: "grid",
  b: "branch",
  i: "idea",
  ",": "global",
  ".": "local",
  "<": "slower",
  ">": "faster",
};
/** Only on the slider itself: elsewhere these scroll the page. */
const SLIDER_ONLY = new Set(["arrowdown", "arrowup", "pageup", "pagedown"]);

/** @param {EventTarget | null} target */
function wantsKeys(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input, textarea, select") || target.isContentEditable) return true;
  return key === " " && target.closest("button, summary, a") !== null;
}

/**
 * @param {(action: string) => void} act @param {(u: number) => void} jumpTo digits: tenths of the axis
 */
export function listen(act, jumpTo) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (wantsKeys(event.target, key)) return;
    const onSlider = event.target instanceof HTMLElement && event.target.getAttribute("role") === "slider";
    if (SLIDER_ONLY.has(key) && !onSlider) return;
    if (event.shiftKey && key.startsWith("arrow")) return; // turns the molecule
    if (/^[0-9]$/.test(key)) jumpTo(Number(key) / 10);
    else if (key in ACTIONS) act(ACTIONS[key]);
    else return;
    event.preventDefault();
  });
}

/** The list of all keys: with ? and by the button at the page's end. */
export function keysHelp() {
  const open = async () => {
    const [{ showKeys }] = await Promise.all([import("./keys_help.js"), words("keys"), styled("keys")]);
    showKeys();
  };
  document.getElementById("keys-open")?.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.defaultPrevented || wantsKeys(event.target, "?")) return;
    event.preventDefault();
    open();
  });
}
