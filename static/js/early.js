// Runs before the first paint (a classic script): picks the theme, so that no other one flashes up, and
// watches for errors that would keep the modules from starting. main.js takes over both.
(function () {
  "use strict";
  const wanted = new URLSearchParams(location.search).get("theme");
  let kept = null;
  try {
    kept = localStorage.getItem("theme");
  } catch {
    // Storage may be forbidden; the system's choice is then good enough.
  }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const names = ["light", "dark", "projector"];
  document.documentElement.dataset.theme = [wanted, kept, system].find((name) => names.includes(name));

  addEventListener(
    "error",
    (event) => {
      const own = event.target instanceof HTMLScriptElement && event.target.type === "module";
      const box = document.getElementById("trouble");
      if (!own || !box) return;
      box.textContent = "The page could not start: one of its scripts did not load. Reload to try again.";
      box.hidden = false;
    },
    true,
  );
})();
