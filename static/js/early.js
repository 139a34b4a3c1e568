// Runs before the first paint (a classic script): picks the theme and the language, so that no other one
// flashes up, and watches for errors that would keep the modules from starting.
(function () {
  "use strict";
  const root = document.documentElement;
  const broken = document.currentScript.dataset.broken;
  const asked = new URLSearchParams(location.search);
  const wanted = asked.get("theme");
  let kept = null;
  let language = null;
  try {
    kept = localStorage.getItem("theme");
    language = localStorage.getItem("lang");
  } catch {
    // Storage may be forbidden; the system's choices are then good enough.
  }

  /** This page in another language: the rest of the address stays. */
  function address(lang) {
    const search = new URLSearchParams(location.search);
    search.set("lang", lang);
    return "?" + search + location.hash;
  }
  // The server knows the address and the browser's wish; what was chosen here before, only this browser.
  if (!asked.has("lang") && /^(en|de|es|zh)$/.test(language ?? "") && !root.lang.startsWith(language))
    location.replace(address(language));
  const shut = (except) => {
    for (const open of document.querySelectorAll(".languages[open]")) if (open !== except) open.open = false;
  };
  addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector(".languages[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : null;
    shut(at && at.closest(".languages"));
    const link = at && at.closest("a[data-lang]");
    if (!link) return;
    link.href = address(link.dataset.lang);
    try {
      localStorage.setItem("lang", link.dataset.lang);
    } catch {
      // Then the choice lasts as long as the address.
    }
  });

  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  // Controls that a link takes away; page.css says which.
  if (asked.has("hide")) root.dataset.hide = asked.get("hide").split(",").join(" ");
  const names = ["light", "dark", "projector"];
  root.dataset.theme = [wanted, kept, system].find((name) => names.includes(name));

  addEventListener(
    "error",
    (event) => {
      const script = event.target instanceof HTMLScriptElement && event.target.type === "module";
      const words = event.error && event.error.name === "NoWords";
      const box = document.getElementById("trouble");
      if (!(script || words) || !box) return;
      box.textContent = broken;
      box.hidden = false;
    },
    true,
  );
})();
