/** What can be done with the chosen picture of a finished run. */

import { decode, sampleOf } from "./decode.js";
import { captionOf, reduced } from "./picture_input.js";
import { t } from "./text.js";

const ACTIONS = ["variations", "from", "to", "diff", "nearest"];

/** base64 of bytes. @param {Uint8Array} bytes */
const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

export class PictureActions {
  /**
   * @param {HTMLElement} place
   * @param {{act: (action: string, held: import("./picture_input.js").Held) => void}} on
   */
  constructor(place, on) {
    this.place = place;
    this.on = on;
    this.buttons = Object.fromEntries(
      ACTIONS.map((action) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = t(`act.${action}`);
        button.addEventListener("click", () => this.on.act(action, this.held));
        return [action, button];
      }),
    );
    place.replaceChildren(...Object.values(this.buttons));
  }

  /** @param {import("./run.js").Run | null} run @param {number} sample */
  show(run, sample) {
    this.place.dataset.ready = String(Boolean(run?.done?.sample));
    for (const button of Object.values(this.buttons)) button.disabled = !run?.done?.sample;
    if (!run?.done?.sample) return;
    this.buttons.nearest.hidden = !run.done.nearest;
    this.run = run;
    this.sample = sample;
  }

  /** @returns {import("./picture_input.js").Held} */
  get held() {
    const { run, sample } = this;
    const { shape, values } = reduced(sampleOf(decode(run.done.sample), 3, sample));
    const image = { dtype: "uint8", shape, data: base64(values) };
    const caption = captionOf(run.input) || t("picture.untitled");
    // A recorded run has no place on the server: its picture travels itself.
    const ref = run.id ? { run: run.id, sample } : { image };
    const name = run.samples > 1 ? t("picture.sample", { caption, n: sample + 1 }) : caption;
    return { ref, name, image };
  }
}
