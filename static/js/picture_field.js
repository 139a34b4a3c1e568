/** The picture's fields: what kind of request, one or two captions, and pictures in their place. */

import { decode } from "./decode.js";
import { MODES, emptyEnd, hasTwo, holdsPicture } from "./picture_input.js";
import { Refused, upload } from "./net.js";
import { drawSmall } from "./pixels.js";
import { said } from "./sentences.js";
import { number, t } from "./text.js";

const MAX_BYTES = 2 * 2 ** 20;
const TYPES = ["image/png", "image/jpeg"];
const WHICH = ["from", "to"];

export class PictureField {
  /**
   * @param {{complain: (text: string, which?: "from" | "to") => void, moded: () => void, run: () => void,
   *   say: (text: string) => void, dropped: (files: File[], asPicture: ((file: File) => void) | null) => void}} on
   *   dropped: files from outside, asPicture puts one into the field under the pointer; complain: beside the field, "" takes it back; moded: the mode is another one; run: a picture came
   *   and nothing else is needed
   */
  constructor(on) {
    this.on = on;
    this.root = document.getElementById("picture-field");
    this.select = document.getElementById("mode");
    this.file = document.getElementById("picture-file");
    this.wanted = "from"; // the field that the file dialog was opened for
    /** @type {Record<string, {root: HTMLElement, input: HTMLInputElement, held: any, stamp: number}>} */
    this.ends = Object.fromEntries(WHICH.map((which) => [which, this.#end(which)]));
    for (const mode of MODES) this.select.append(new Option(t(`mode.${mode}`), mode));
    this.select.addEventListener("input", () => this.setMode(this.select.value));
    this.file.addEventListener("change", () => {
      if (this.file.files[0]) this.take(this.file.files[0], this.wanted);
      this.file.value = "";
    });
    this.#drops();
    this.setMode("caption");
  }

  #end(which) {
    const root = this.root.querySelector(`[data-end="${which}"]`);
    const end = { root, input: root.querySelector("input"), held: null, stamp: 0 };
    end.input.addEventListener("input", () => this.on.complain("", which));
    root.querySelector(".pick").addEventListener("click", () => {
      this.wanted = which;
      this.file.click();
    });
    root.querySelector(".held button").addEventListener("click", () => {
      this.hold(which, null);
      end.input.focus();
    });
    return end;
  }

  get mode() {
    return this.select.value;
  }

  /** A mode that cannot be used here does not stand in the list. @param {string} mode @param {boolean} available */
  offer(mode, available) {
    const option = [...this.select.options].find(({ value }) => value === mode);
    option.hidden = option.disabled = !available;
    if (!available && this.mode === mode) this.setMode("caption");
  }

  /** @returns {import("./picture_input.js").Asked} */
  get asked() {
    const end = ({ input, held }) => ({ text: input.value, held });
    return { mode: this.mode, from: end(this.ends.from), to: hasTwo(this.mode) ? end(this.ends.to) : emptyEnd() };
  }

  /** @param {import("./picture_input.js").Asked} asked */
  fill({ mode, from, to }) {
    this.setMode(mode);
    for (const [which, end] of [["from", from], ["to", to]]) {
      this.ends[which].input.value = end.text;
      this.hold(which, end.held);
    }
  }

  /** @param {import("./picture_input.js").Mode} mode */
  setMode(mode) {
    this.select.value = mode;
    this.root.dataset.mode = mode;
    this.ends.to.root.hidden = !hasTwo(mode);
    for (const which of WHICH) {
      if (this.ends[which].held && !holdsPicture(mode, which)) this.hold(which, null);
      const two = hasTwo(mode) ? `.${which}` : "";
      this.ends[which].root.querySelector("label").textContent = t(`prompt.${mode}${two}`);
      this.ends[which].root.querySelector(".pick").hidden = mode === "compare" || (mode === "diff" && which === "to");
      this.#show(which);
    }
    this.on.complain("", "from");
    this.on.moded();
  }

  /** Puts a picture in the place of words, or takes it out. @param {"from" | "to"} which @param {import("./picture_input.js").Held | null} held */
  hold(which, held) {
    const end = this.ends[which];
    end.stamp += 1;
    end.held = held;
    if (held) {
      drawSmall(end.root.querySelector("canvas"), decode(held.image));
      end.root.querySelector(".held span").textContent = held.name;
      end.root.querySelector(".held button").setAttribute("aria-label", t("picture.take_out", { name: held.name }));
    }
    this.#show(which);
    this.on.complain("", which);
  }

  #show(which) {
    const { root, input, held } = this.ends[which];
    root.querySelector(".held").hidden = held === null;
    // "Change in words" needs both: the picture, and the words it is changed from.
    input.hidden = held !== null && this.mode !== "diff";
    root.dataset.held = String(held !== null);
  }

  /**
   * A file from outside: to the server, which answers with an id, and into the field.
   * @param {File} file @param {"from" | "to"} which
   */
  async take(file, which) {
    if (!TYPES.includes(file.type)) {
      this.on.complain(t("upload.type", { name: file.name }), which);
      return;
    }
    if (file.size > MAX_BYTES) {
      const size = number(file.size / 2 ** 20);
      this.on.complain(t("upload.large", { name: file.name, size }), which);
      return;
    }
    if (["caption", "direct", "compare"].includes(this.mode)) this.setMode("variations");
    const end = this.ends[which];
    const stamp = ++end.stamp;
    this.on.complain("", which);
    this.on.say(t("upload.sending", { name: file.name }));
    end.root.dataset.busy = "";
    try {
      const { id, image } = await upload(file);
      if (stamp !== end.stamp) return; // something else was put there meanwhile
      this.hold(which, { ref: { picture: id }, name: file.name, image });
      this.on.say(t("upload.ready", { name: file.name }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { message, accepted } = error.problems[0] ?? { message: t("error.unreachable"), accepted: "" };
      this.on.complain(
        accepted
          ? t("upload.refused", { name: file.name, message: await said(message), accepted: await said(accepted) })
          : t("error.message", { message: message.replace(/\.$/, "") }),
        which,
      );
      return;
    } finally {
      delete end.root.dataset.busy;
    }
    if (this.mode === "variations") this.on.run();
  }

  /** Files dropped on the field or its panel, and pictures pasted anywhere but into a text. */
  #drops() {
    const places = [this.root, document.getElementById("dalle2")];
    const mark = (on) => places.forEach((place) => place.classList.toggle("dropping", on));
    const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault(); // a file that misses must not replace the page
      mark(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
    document.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      mark(false);
      const place = event.target instanceof Element ? event.target.closest("[data-end], #picture-field, #dalle2") : null;
      const files = [...event.dataTransfer.files];
      const which = place && this.#free(place.dataset.end);
      if (files.length > 0) this.on.dropped(files, place ? (file) => this.take(file, which) : null);
    });
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      this.take(file, this.#free(document.activeElement?.closest("[data-end]")?.dataset.end));
    });
  }

  /** The field that was meant, else the first that is still empty. @param {string | undefined} meant */
  #free(meant) {
    if (!hasTwo(this.mode) || this.mode === "diff") return "from";
    if (meant) return meant;
    const empty = WHICH.find((which) => !this.ends[which].held && this.ends[which].input.value.trim() === "");
    return empty ?? "from";
  }
}
