/** The one module that touches Plotly: loading it under the page's policy, and drawing without its toolbar. */

const SCRIPT = "/vendor/plotly/plotly.min.js";
/** Plotly's map library adds an inline style unless an element with this id is there (version 4.1.1). */
const MAP_STYLE_ID = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

let loading = null;

/** The page's decimal mark and its mark of thousands, as Plotly wants them: ",." in Spanish. */
function separators() {
  const parts = new Intl.NumberFormat(document.documentElement.lang || "en").formatToParts(12345.6);
  return ["decimal", "group"].map((type) => parts.find((part) => part.type === type).value).join("");
}

/** @returns {Promise<void>} */
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const marker = document.createElement("template");
    marker.id = MAP_STYLE_ID;
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.onload = () => (globalThis.Plotly ? resolve() : reject(new Error("plotly.min.js is empty")));
    script.onerror = () => reject(new Error("plotly.min.js did not load"));
    document.head.append(marker, script);
  });
  return loading;
}

/** Draws or redraws. @param {HTMLElement} element @param {object[]} traces @param {object} layout */
export async function react(element, traces, layout) {
  await loadPlotly();
  await globalThis.Plotly.react(element, traces, { separators: separators(), ...layout }, {
    displayModeBar: false,
    doubleClick: false,
    scrollZoom: false,
    showTips: false,
  });
  // To those who listen it is one picture with a name; its words and its numbers stand below it.
  element.setAttribute("role", "img");
  if (!element.hasAttribute("aria-label")) {
    element.setAttribute("aria-labelledby", element.closest("[aria-labelledby]").getAttribute("aria-labelledby"));
  }
  document.getElementById("js-plotly-tester")?.setAttribute("aria-hidden", "true");
}
