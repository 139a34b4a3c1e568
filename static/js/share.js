/** The dialog for what goes out and comes back: a link, a frame for slides, files. Fetched when it is opened. */

import { PARTS, writeLink } from "./link.js";
import { stageState } from "./link_stage.js";
import { qrUrl } from "./net.js";
import { Tabs } from "./tabs.js";
import { language, t } from "./text.js";
import { currentTheme } from "./theme.js";
import { button, element, field, row } from "./share_elements.js";
import { SavePane } from "./save.js";

/** Keys of an address that are about this visit, not about what is shown. */
const OWN = ["room", "lowgfx", "hide", "lang", "only"];
/** Controls by what they are for. */
const GROUPS = {
  ask: ["caption", "molecule", "examples", "seed", "settings", "run"],
  look: ["tools", "actions", "scores", "charts", "dye", "branch"],
  page: ["room", "lessons", "lab", "models", "language", "theme", "share", "save", "open"],
};
const SIZES = ["960x540", "480x320"];
const ONLY = ["", "dalle2", "alphafold3", "dye"];

export class Share {
  /**
   * @param {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>,
   *   tabs: import("./tabs.js").Tabs, ask: import("./ask.js").Ask, form: () => import("./link.js").LinkState,
   *   weights: () => string | undefined, open: () => void, announce: (text: string) => void}} page
   *   form: what the form and the wishes hold; weights: fingerprints of what would compute it; open: chooses a file
   */
  constructor(page) {
    this.page = page;
    this.dialog = element("dialog", "share");
    this.dialog.setAttribute("aria-labelledby", "share-title");
    const title = Object.assign(element("h2", "", t("share.title")), { id: "share-title" });
    const close = button(t("share.close"), "quiet close", () => this.dialog.close());
    const head = element("header", "");
    head.append(title, close);
    this.save = new SavePane(page);
    const gone = document.documentElement.dataset.hide?.split(" ") ?? [];
    const panes = [["link", this.#link()], ["embed", this.#embed()], ["save", this.save.root], ["open", this.#open()]];
    const kept = panes.filter(([id]) => !gone.includes(id));
    const list = element("div", "tabs");
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-labelledby", "share-title");
    for (const [id, pane] of kept) {
      const tab = Object.assign(button(t(`share.${id}`), "", () => {}), { id: `share-tab-${id}` });
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", `share-${id}`);
      tab.dataset.tab = id;
      list.append(tab);
      pane.id = `share-${id}`;
      pane.setAttribute("role", "tabpanel");
      pane.setAttribute("aria-labelledby", tab.id);
    }
    this.dialog.append(head, list, ...kept.map(([, pane]) => pane));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the player's keys rest
    this.dialog.addEventListener("input", () => this.#draw());
    document.body.append(this.dialog);
    this.tabs = new Tabs(list);
    this.tabs.opened.push((id) => id === "save" && this.save.draw());
  }

  show() {
    // The link is about what stands behind the dialog.
    const { stage } = this.page;
    if (stage.player.playing) stage.player.pause();
    stage.changed();
    this.seen = stageState(this.page);
    this.#draw();
    this.save.draw();
    this.dialog.showModal();
  }

  #link() {
    const pane = element("section", "pane");
    this.link = field("input", t("share.address"));
    this.atStep = row("checkbox", t("share.at_step"), true);
    this.asHere = row("checkbox", t("share.as_here"), true);
    const hide = element("details", "hide");
    this.boxes = Object.fromEntries(PARTS.map((part) => [part, row("checkbox", t(`hide.${part}`), false)]));
    const groups = Object.entries(GROUPS).map(([name, parts]) => {
      const group = element("fieldset", "");
      group.append(element("legend", "", t(`share.hide.${name}`)), ...parts.map((part) => this.boxes[part].label));
      return group;
    });
    hide.append(element("summary", "", t("share.hide")), element("p", "hint", t("share.hide.lead")), ...groups);
    const code = element("details", "code");
    this.picture = Object.assign(element("img", ""), { alt: t("share.qr.alt"), width: 220, height: 220 });
    this.long = element("p", "hint");
    code.append(element("summary", "", t("share.qr")), this.picture, this.long);
    this.picture.addEventListener("error", () => this.#qr(false));
    this.picture.addEventListener("load", () => this.#qr(true));
    code.addEventListener("toggle", () => this.#draw());
    this.code = code;
    this.without = element("p", "hint", t("share.without_picture"));
    pane.append(this.#copied(this.link), this.atStep.label, this.asHere.label, this.without, hide, code);
    return pane;
  }

  #qr(drawn) {
    this.picture.hidden = !drawn;
    this.long.textContent = drawn ? "" : t("share.qr.long");
  }

  #embed() {
    const pane = element("section", "pane");
    this.only = field("select", t("share.only"));
    for (const only of ONLY) this.only.control.append(new Option(t(`share.only.${only || "both"}`), only));
    this.size = field("select", t("share.size"));
    for (const size of SIZES) this.size.control.append(new Option(size.replace("x", " × "), size));
    this.markup = field("textarea", t("share.markup"));
    this.look = Object.assign(element("a", "", t("share.look")), { target: "_blank", rel: "noopener" });
    const choices = element("div", "choices");
    choices.append(this.only.box, this.size.box);
    pane.append(element("p", "hint", t("share.embed.lead")), choices, this.#copied(this.markup), this.look);
    return pane;
  }

  #open() {
    const pane = element("section", "pane");
    const choose = button(t("share.choose"), "pill", () => {
      this.dialog.close();
      this.page.open();
    });
    pane.append(element("p", "", t("share.open.lead")), choose, element("p", "hint", t("share.open.drop")));
    return pane;
  }

  /** A text that is only read, and a button that copies it. */
  #copied({ box, control }) {
    control.readOnly = true;
    control.spellcheck = false;
    control.addEventListener("focus", () => control.select());
    const line = element("div", "copied");
    const copy = button(t("share.copy"), "pill copy", async () => {
      try {
        await navigator.clipboard.writeText(control.value);
        copy.textContent = t("share.copied");
      } catch {
        control.focus(); // no permission, or a page without https: it is selected, Ctrl C does the rest
        copy.textContent = t("share.copy_failed");
      }
      this.page.announce(copy.textContent);
      setTimeout(() => (copy.textContent = t("share.copy")), 2500);
    });
    line.append(box, copy);
    return line;
  }

  /** The link follows every check box. */
  #draw() {
    const state = { ...this.page.form(), ...this.seen, v: this.page.weights() };
    if (!this.atStep.input.checked) delete state.u;
    state.theme = this.asHere.input.checked ? currentTheme() : undefined;
    const hidden = PARTS.filter((part) => this.boxes[part].input.checked);
    state.hide = hidden.length > 0 ? hidden.join() : undefined;
    const rest = new URLSearchParams(location.search);
    for (const key of OWN) rest.delete(key);
    if (this.asHere.input.checked) rest.set("lang", language);
    const path = `/${writeLink(state, `?${rest}`)}`;
    this.link.control.value = location.origin + path;
    this.without.hidden = !this.page.ask.holdsPicture;
    if (this.code.open && this.picture.dataset.path !== path) {
      this.picture.dataset.path = path;
      this.picture.src = qrUrl(path);
    }
    this.#drawFrame(state, rest);
  }

  #drawFrame(state, rest) {
    for (const key of ["lesson", "step"]) rest.delete(key);
    const only = this.only.control.value;
    if (only) rest.set("only", only);
    const address = `${location.origin}/embed${writeLink({ ...state, hide: undefined, tab: undefined }, `?${rest}`)}`;
    const [width, height] = this.size.control.value.split("x");
    const frame = Object.assign(document.createElement("iframe"), { width, height, title: "Twofold", loading: "lazy" });
    frame.setAttribute("src", address);
    frame.setAttribute("allow", "fullscreen");
    this.markup.control.value = frame.outerHTML;
    this.look.href = address;
  }
}
