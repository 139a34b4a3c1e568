/** The concepts as CLIP places them, in two dimensions, and the samples of the prior moving through them. */

import { decode, sampleOf } from "./decode.js";
import { dot, drawOther, ring, star } from "./map_marks.js";
import { Refused, conceptMap } from "./net.js";
import { among, fit, length, nearest, project, towards } from "./projection.js";
import { knows, listed, number, paragraph, t, words } from "./text.js";
import { ratioWords } from "./words.js";

const GROUP_COLOURS = 10;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MARGIN = 26;

/** "food-drink" as people write it. @param {string} group */
const groupName = (group) => (knows(`map.group.${group}`) ? t(`map.group.${group}`) : group);

export class MapView {
  /**
   * @param {HTMLElement} root the tab's panel @param {(level: number) => void} seek to a noise level
   * @param {{other: () => import("./run.js").Run | null, able: () => boolean, branch: () => void}} tracks
   *   other: the other track of a forked run; able, branch: whether the idea that is shown can be left, and to do it
   */
  constructor(root, seek, tracks) {
    this.seek = seek;
    this.tracks = tracks;
    this.button = root.querySelector("#branch-idea");
    this.button.addEventListener("click", () => tracks.branch());
    this.key = root.querySelector('[data-mark="other"]');
    this.table = root.querySelector("details");
    this.table.addEventListener("toggle", async () => {
      [this.filling] = await Promise.all([import("./map_table.js"), words("linked")]);
      this.#tabulate();
    });
    this.frame = root.querySelector(".map-frame");
    this.ground = root.querySelector("canvas.ground");
    this.top = root.querySelector("canvas.top");
    this.tip = root.querySelector(".map-tip");
    this.legend = root.querySelector(".groups");
    this.summary = root.querySelector("#map-summary");
    this.map = null;
    this.point = -1;
    this.group = null;
    this.run = null;
    new ResizeObserver(() => this.redraw()).observe(this.frame);
    this.top.addEventListener("pointermove", (event) => {
      const { left, top } = this.top.getBoundingClientRect();
      const at = [event.clientX - left, event.clientY - top];
      const step = nearest(this.way ?? [], at, 9);
      this.#point(step < 0 ? nearest(this.places ?? [], at, 14) : -1);
      this.#pointStep(step);
    });
    this.top.addEventListener("click", () => this.step >= 0 && this.seek(this.run.stripStage.frames[this.step].level));
    this.top.addEventListener("pointerleave", () => {
      this.#point(-1);
      this.#pointStep(-1);
    });
    this.top.addEventListener("blur", () => this.#point(-1));
    this.top.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS) || !this.places || event.shiftKey) return;
      event.preventDefault();
      const { clientWidth, clientHeight } = this.top;
      const from = this.point < 0 ? nearest(this.places, [clientWidth / 2, clientHeight / 2]) : this.point;
      this.#point(this.point < 0 ? from : towards(this.places, from, ARROWS[event.key]));
    });
  }

  /** Asks for the map once it is wanted. */
  async open() {
    if (this.map || this.asking) return;
    this.asking = true;
    try {
      const map = await conceptMap();
      this.matrix = decode(map.projection).values;
      this.mean = map.mean ? decode(map.mean).values : null;
      for (const point of map.points) point.group = groupName(point.group);
      this.groups = [...new Set(map.points.map(({ group }) => group))];
      this.map = map;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.summary.textContent = t("map.missing");
      return;
    } finally {
      this.asking = false;
    }
    this.#drawLegend();
    this.redraw();
    this.#summarise();
    this.#tabulate();
  }

  /** @param {import("./run.js").Run | null} run @param {number} sample */
  follow(run, sample) {
    this.sample = sample;
    if (run !== this.run) this.paths = null;
    this.run = run;
    this.strip = null;
    this.#summarise();
    this.draw();
    this.#tabulate();
  }

  /** The playhead moved. @param {import("./run.js").Frame | null} strip the prior's frame there */
  move(strip) {
    if (strip === this.strip) return;
    this.strip = strip;
    this.#offer();
    this.draw();
    this.filling?.markMap(this.table, this.run?.stripStage?.frames.indexOf(strip) ?? -1);
  }

  /** The button that leaves the idea where it is shown. */
  #offer() {
    const { strip, button } = this;
    button.hidden = !strip || !this.tracks.able();
    if (strip) button.textContent = t("map.branch", { step: strip.step + 1, steps: strip.steps });
  }

  redraw() {
    if (!this.map || !this.frame.clientWidth) return;
    const { clientWidth: width, clientHeight: height } = this.frame;
    this.at = fit(this.map.points, width, height, MARGIN);
    this.places = this.map.points.map(({ x, y }) => this.at(x, y));
    const context = this.#sized(this.ground);
    const style = getComputedStyle(this.frame);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.map.points.forEach(({ group }, i) => {
      const dim = this.group !== null && this.group !== group;
      context.globalAlpha = dim ? 0.1 : 0.75;
      context.fillStyle = colour(`g${this.groups.indexOf(group) % GROUP_COLOURS}`);
      dot(context, this.places[i], this.group === group ? 4.2 : 3);
    });
    context.globalAlpha = 1;
    this.draw();
  }

  /** What moves, and what is pointed at. */
  draw() {
    if (!this.map || !this.at) return;
    const context = this.#sized(this.top);
    const style = getComputedStyle(this.frame);
    const [ink, paper, accent] = ["--ink", "--surface", "--picture"].map((name) => style.getPropertyValue(name).trim());
    const frames = this.run?.stripStage?.frames ?? [];
    const { clientWidth: width, clientHeight: height } = this.frame;
    // What lies outside of the concepts is drawn at the edge.
    const at = (place) => this.at(...place).map((v, i) => Math.min(Math.max(v, 8), (i ? height : width) - 8));
    const paths = this.#paths(frames);
    this.way = null;
    this.#other(context, at, style.getPropertyValue("--ink-2").trim());
    const now = this.strip ? frames.indexOf(this.strip) : -1;
    if (now >= 0)
      paths.forEach(({ noisy, guess }, k) => {
        const chosen = paths.length !== this.run.samples || k === this.sample;
        if (chosen) {
          context.strokeStyle = accent;
          context.lineWidth = 2;
          context.beginPath();
          noisy.slice(0, now + 1).forEach((place) => context.lineTo(...at(place)));
          context.stroke();
          this.way = noisy.map((place) => at(place));
          context.fillStyle = accent;
          for (const place of this.way) dot(context, place, 2.5);
          ring(context, at(guess[now]), 6, accent);
        }
        context.fillStyle = accent;
        context.globalAlpha = chosen ? 1 : 0.55;
        dot(context, at(noisy[now]), chosen ? 6 : 4);
        context.globalAlpha = 1;
      });
    const done = this.run?.done;
    if (done?.text_embed) star(context, at(this.#place(decode(done.text_embed).values, 1)), 9, ink, paper);
    this.#ends(context, at, ink, paper);
    if (this.point >= 0) ring(context, this.places[this.point], 7, ink);
  }

  /** The way of a forked run's other track. */
  #other(context, at, colour) {
    const other = this.tracks.other();
    const frames = other?.stripStage?.frames ?? [];
    this.key.hidden = frames.length === 0;
    if (frames.length === 0) return;
    if (this.others?.run !== other || this.others.length !== frames.length)
      this.others = { run: other, length: frames.length, ways: this.#ways(frames) };
    const { noisy } = this.others.ways[this.others.ways.length === other.samples ? this.sample : 0];
    drawOther(context, noisy.map((place) => at(place)), colour);
  }

  /** Where each kept sample ended, numbered. */
  #ends(context, at, ink, paper) {
    const embed = this.run?.done?.image_embed;
    if (!embed) return;
    const all = decode(embed);
    const font = getComputedStyle(this.frame).fontFamily;
    for (let k = 0; k < this.run.samples; k += 1) {
      const [x, y] = at(this.#place(sampleOf(all, 1, k).values, 1));
      context.fillStyle = k === this.sample ? ink : paper;
      dot(context, [x, y], 9);
      ring(context, [x, y], 9, ink);
      context.fillStyle = k === this.sample ? paper : ink;
      context.font = `700 12px ${font}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(String(k + 1), x, y + 0.5);
    }
  }

  #place(vector, scale) {
    return project(vector, this.matrix, this.mean, scale);
  }

  /** Every sample's way, projected once. @param {import("./run.js").Frame[]} frames */
  #paths(frames) {
    if (this.paths?.length !== frames.length || this.paths.run !== this.run)
      this.paths = { length: frames.length, run: this.run, ways: this.#ways(frames) };
    return this.paths.ways;
  }

  /** @param {import("./run.js").Frame[]} frames of a prior */
  #ways(frames) {
    for (const frame of frames) frame.decoded ??= { x: decode(frame.x), denoised: decode(frame.denoised) };
    // Embeddings lie on a sphere; the prior works on one of another radius than the map's.
    const last = frames.at(-1)?.decoded.denoised;
    const scale = last ? (this.map.scale ?? length(sampleOf(last, 1, 0).values)) : 1;
    const way = (k, name) => frames.map(({ decoded }) => this.#place(sampleOf(decoded[name], 1, k).values, scale));
    // One way per caption that was read: a path between two captions has two, however many its points.
    const count = last ? (last.shape.length > 1 ? last.shape[0] : 1) : 0;
    return Array.from({ length: count }, (_, k) => ({ noisy: way(k, "x"), guess: way(k, "denoised") }));
  }

  #point(i) {
    if (i === this.point) return;
    this.point = i;
    this.tip.hidden = i < 0;
    if (i >= 0) {
      const { label, group } = this.map.points[i];
      const [x, y] = this.places[i];
      this.tip.textContent = t("map.point", { label, group });
      this.tip.dataset.side = x > this.frame.clientWidth / 2 ? "left" : "right";
      this.tip.style.transform = `translate(${x}px, ${y}px)`;
    }
    this.draw();
  }

  /** A step of the prior's way is pointed at. @param {number} i frame, -1 for none */
  async #pointStep(i) {
    if (i === (this.step ?? -1)) return;
    this.step = i;
    this.top.dataset.step = String(i >= 0);
    if (i < 0) {
      this.tip.hidden = this.point < 0;
      return;
    }
    await words("linked");
    if (i !== this.step || !this.way) return;
    const { step, steps, sigma_over_data: noise } = this.run.stripStage.frames[i];
    const [x, y] = this.way[i];
    this.tip.hidden = false;
    this.tip.textContent = t("map.step", { step: step + 1, steps, noise: ratioWords(noise) });
    this.tip.dataset.side = x > this.frame.clientWidth / 2 ? "left" : "right";
    this.tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** The way as a table, as long as it is open. */
  #tabulate() {
    const frames = this.run?.stripStage?.frames ?? [];
    if (!this.filling || !this.table.open || !this.map) return;
    const paths = this.#paths(frames);
    const way = paths[paths.length === this.run?.samples ? this.sample : 0] ?? { noisy: [], guess: [] };
    this.filling.fillMap(this.table.querySelector(".scroll"), frames, way, this.map.points, this.seek);
    this.filling.markMap(this.table, this.strip ? frames.indexOf(this.strip) : -1);
  }

  #drawLegend() {
    const buttons = this.groups.map((group, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: group });
      button.dataset.colour = String(i % GROUP_COLOURS);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        this.group = this.group === group ? null : group;
        buttons.forEach((other, k) => other.setAttribute("aria-pressed", String(this.groups[k] === this.group)));
        this.redraw();
      });
      return button;
    });
    this.legend.replaceChildren(...buttons);
  }

  /** The same in words. */
  #summarise() {
    if (!this.map) return;
    const { points } = this.map;
    const parts = [t("map.summary", { count: points.length, groups: this.groups.length })];
    const done = this.run?.done;
    if (done?.image_embed) {
      const coordinates = points.map(({ x, y }) => [x, y]);
      const groups = points.map(({ group }) => group);
      const near = (vector) => among(coordinates, groups, this.#place(vector, 1));
      const all = decode(done.image_embed);
      const ends = Array.from({ length: this.run.samples }, (_, k) =>
        t("map.end", { n: k + 1, group: near(sampleOf(all, 1, k).values) }),
      );
      parts.push(t("map.ends", { ends: listed(ends) }));
      if (done.text_embed) parts.push(t("map.text", { group: near(decode(done.text_embed).values) }));
      const cosine = done.prior?.cosine?.[this.sample];
      const chosen = done.prior?.chosen?.[this.sample];
      if (cosine?.length > 1 && done.prior.chosen.length === this.run.samples)
        parts.push(
          t(chosen === 0 ? "map.first" : "map.second", {
            n: this.sample + 1,
            kept: number(cosine[chosen]),
            other: number(cosine[1 - chosen]),
          }),
        );
    } else parts.push(t("map.waiting"));
    this.summary.textContent = paragraph(parts);
  }

  #sized(canvas) {
    const { clientWidth: width, clientHeight: height } = this.frame;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    return context;
  }
}
