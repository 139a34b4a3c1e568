/** Small pieces of the dialog. */

export function element(name, className, textContent = "") {
  return Object.assign(document.createElement(name), { className, textContent });
}

/** @param {string} text @param {string} className @param {() => void} act */
export function button(text, className, act) {
  const made = Object.assign(element("button", className, text), { type: "button" });
  made.addEventListener("click", act);
  return made;
}

let fields = 0;

/** A control with its name above. @param {"input" | "select" | "textarea"} kind @param {string} text */
export function field(kind, text) {
  const box = element("div", "named");
  fields += 1;
  const control = Object.assign(document.createElement(kind), { id: `share-field-${fields}` });
  box.append(Object.assign(element("label", "", text), { htmlFor: control.id }), control);
  return { box, control };
}

/** A box with its name beside. @param {string} type @param {string} text @param {boolean} checked */
export function row(type, text, checked) {
  const label = element("label", "row");
  const input = Object.assign(document.createElement("input"), { type, checked });
  label.append(input, element("span", "", text));
  return { label, input };
}
