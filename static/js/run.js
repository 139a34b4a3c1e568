/**
 * One run as the page knows it: events go in (recorded or live, the same), stages and frames come out.
 * Pure: no page, no network.
 *
 * @typedef {import("./decode.js").WireArray} WireArray
 * @typedef {{stage: string, step: number, steps: number, sigma: number, sigma_over_data: number,
 *   x: WireArray, denoised: WireArray, level: number, decoded?: object}} Frame
 * @typedef {{name: string, unit: string, sigmaData: number, top: number, bottom: number, frames: Frame[]}} RunStage
 */

import { levelAt, levelOf, frontierOf, DATA_ZONE } from "./timeline.js";

/** Stages that are not a picture of the result; they are drawn as a strip beside it. */
const STRIP_STAGES = new Set(["prior"]);

export class Run {
  /**
   * @param {{pipeline: string, input: object, settings: object, source: "recorded" | "live", id?: string,
   *   branch?: import("./branch_choice.js").Branch}} init branch: where it goes on from, if not from noise
   */
  constructor({ pipeline, input, settings, source, id = "", branch }) {
    this.pipeline = pipeline;
    this.input = input;
    this.settings = settings;
    this.source = source;
    this.id = id;
    this.branch = branch;
    /** @type {Run | undefined} whose frames before the fork are this run's history */
    this.parent = undefined;
    /** @type {any} data of the start event */
    this.start = null;
    /** @type {RunStage[]} */
    this.stages = [];
    /** @type {any} data of the done event */
    this.done = null;
    /** @type {any} data of the error event, or {message} when the stream was lost or the run stopped */
    this.error = null;
    this.frameCount = 0;
    /** when the last event came, in milliseconds of performance.now(), and whether the connection is gone */
    this.heard = performance.now();
    this.lost = false;
    /** Whether the run counts steps and has no noise level, as DALL·E 1 does. */
    this.stepwise = false;
  }

  /** A run out of a recorded file. @param {any} trace @returns {Run} */
  static fromTrace(trace) {
    const run = new Run({ ...trace, source: "recorded" });
    for (const { event, data } of trace.events) run.apply(event, data);
    return run;
  }

  /** @param {string} event @param {any} data @returns {Frame | null} the frame, if it was one */
  apply(event, data) {
    this.heard = performance.now();
    if (event === "start") {
      this.start = data;
      this.stepwise = data.stages.length > 0 && data.stages.every(({ sigmas }) => !sigmas?.length);
      this.stages = data.stages.map((stage) => {
        const levels = (stage.sigmas ?? []).filter((sigma) => sigma > 0).map((s) => levelOf(s / stage.sigma_data));
        return {
          name: stage.name,
          unit: stage.unit,
          sigmaData: stage.sigma_data,
          top: Math.max(...levels),
          bottom: Math.min(...levels),
          frames: [],
        };
      });
    } else if (event === "frame") {
      const stage = this.stages.find(({ name }) => name === data.stage);
      if (!stage) return null;
      const frame = { ...data, level: this.stepwise ? this.#paced(data) : levelOf(data.sigma_over_data) };
      stage.frames.push(frame);
      this.frameCount += 1;
      return frame;
    } else if (event === "done") this.done = data;
    else if (event === "error") this.error = data;
    return null;
  }

  /**
   * Lays a stepwise run along an axis; other runs have their own levels.
   * @param {import("./timeline.js").Axis} axis
   */
  pace(axis) {
    if (!this.stepwise) return;
    this.axis = axis;
    for (const stage of this.stages) {
      Object.assign(stage, axis);
      for (const frame of stage.frames) frame.level = this.#paced(frame);
    }
  }

  #paced({ step, steps }) {
    return this.axis ? levelAt(this.axis, (step / steps) * (1 - DATA_ZONE)) : Infinity;
  }

  /** Stages whose frames are pictures of the result. */
  get pictureStages() {
    return this.stages.filter(({ name }) => !STRIP_STAGES.has(name));
  }

  /** The stage drawn as a strip, if there is one. */
  get stripStage() {
    return this.stages.find(({ name }) => STRIP_STAGES.has(name)) ?? null;
  }

  /** The first of the runs that this one goes on from; itself if it begins in noise. @returns {Run} */
  get root() {
    return this.parent?.root ?? this;
  }

  get streaming() {
    return this.done === null && this.error === null;
  }

  /** Lowest level that can be shown; -Infinity once the run ended (its last frame then stands for the rest). */
  get frontier() {
    return this.streaming ? frontierOf(this.pictureStages) : -Infinity;
  }

  /** Every level of the schedule, for the axis. @returns {number[]} */
  get levels() {
    return this.stepwise ? [] : this.pictureStages.flatMap(({ top, bottom }) => [top, bottom]);
  }

  /** @returns {number} */
  get samples() {
    return this.settings?.samples ?? 1;
  }
}
