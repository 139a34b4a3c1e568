/** The page that lists the lessons, and a lesson as a sheet to print, with the notes for whoever presents. */

import { LESSONS, lessonOf, optionsOf } from "./lesson_list.js";
import { kept } from "./lesson_memory.js";
import { element, sourcesOf } from "./lesson_elements.js";
import { localLink, t } from "./text.js";

const wanted = lessonOf(new URLSearchParams(location.search).get("print") ?? "");
if (wanted) showSheet(wanted);
else for (const card of document.querySelectorAll("[data-lesson-id]")) complete(card, lessonOf(card.dataset.lessonId));

/** How long it takes, how far it has been done. @param {HTMLElement} card @param {import("./lesson_list.js").Lesson} lesson */
function complete(card, lesson) {
  const done = (kept("done", lesson.id) ?? []).filter((id) => lesson.steps.some((step) => step.id === id)).length;
  const count = lesson.steps.length;
  const progress = element("span", "lesson-progress", {
    textContent: done === count ? t("lessons.all_done") : t("lessons.progress", { done, count }),
  });
  progress.dataset.all = String(done === count);
  const print = element("a", "", { href: localLink(`?print=${lesson.id}`), textContent: t("lessons.print") });
  const doing = [element("span", "", { textContent: t("lessons.minutes", { minutes: lesson.minutes }) }), progress, print];
  card.append(element("p", "lesson-doing", {}, doing));
}

/** @param {import("./lesson_list.js").Lesson} lesson */
function showSheet(lesson) {
  const at = LESSONS.indexOf(lesson) + 1;
  const key = `lesson.${lesson.id}`;
  document.getElementById("lesson-cards").hidden = true;
  document.querySelector(".lessons > p").textContent = t(`${key}.lead`);
  document.querySelector("h1").textContent = t(`${key}.title`);
  document.title = t("lessons.sheet", { title: t(`${key}.title`) });
  const text = (name, words, className = "") => element(name, className, { textContent: words });
  const sections = lesson.steps.map((step, i) => {
    const name = `${key}.step.${step.id}`;
    const parts = [text("h2", t("lesson.step", { n: i + 1, title: t(`${name}.title`) })), text("p", t(`${name}.text`))];
    if (step.asks) {
      const ready = `lesson_${lesson.id}`;
      const options = optionsOf(ready).map((option) => text("li", option));
      parts.push(text("p", t(`poll.${ready}.question`), "lesson-question"), element("ul", "lesson-options", {}, options));
    }
    parts.push(text("p", t(`${name}.note`), "lesson-note"));
    return element("section", "", {}, parts);
  });
  const print = element("button", "strong no-print", { type: "button", textContent: t("lesson.print") });
  print.addEventListener("click", () => window.print());
  const remarks = Array.from({ length: lesson.correct }, (_, i) => text("li", t(`${key}.correct.${i}`)));
  const sheet = document.getElementById("lesson-sheet");
  sheet.hidden = false;
  sheet.append(
    text("p", t("lesson.place", { number: at, count: LESSONS.length })),
    print,
    ...sections,
    element("section", "", {}, [text("h2", t("lesson.correct")), element("ul", "lesson-remarks", {}, remarks)]),
    element("section", "", {}, [text("h2", t("lesson.sources")), sourcesOf(lesson)]),
    element("a", "no-print", { href: localLink("/lessons"), textContent: t("lesson.all") }),
  );
}
