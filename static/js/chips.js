/** A row of examples as small buttons, scrolled sideways. */

/**
 * @param {HTMLElement} row @param {{label: string, input: any}[]} examples
 * @param {(input: any) => void} chosen
 */
export function chips(row, examples, chosen) {
  row.replaceChildren(
    ...examples.map(({ label, input }) => {
      const chip = Object.assign(document.createElement("button"), { type: "button", textContent: label });
      chip.addEventListener("click", () => chosen(input));
      chip.addEventListener("focus", () => chip.scrollIntoView({ block: "nearest", inline: "nearest" }));
      return chip;
    }),
  );
  // For the mouse only: by keyboard the row follows the focus, by touch it is swiped.
  const more = Object.assign(document.createElement("span"), { className: "more-chips" });
  more.setAttribute("aria-hidden", "true");
  more.addEventListener("click", () => {
    const end = row.scrollLeft + row.clientWidth >= row.scrollWidth - 2;
    row.scrollTo({ left: end ? 0 : row.scrollLeft + 0.8 * row.clientWidth, behavior: "smooth" });
  });
  row.parentElement.querySelector(".more-chips")?.remove();
  row.after(more);
  more.hidden = row.scrollWidth <= row.clientWidth;
}
