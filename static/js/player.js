/**
 * The clock of the stage: where the playhead is and whether it moves. Pure; the caller ticks it.
 *
 * The playhead `u` is a position on the noise axis (0 noise, 1 data). It never passes `limit`, the
 * part that has arrived. While `following`, it runs to the newest part that has arrived.
 */

import { neighbour } from "./timeline.js";

/** Seconds from noise to data at speed 1. */
export const DURATION = 9;
/** Seconds from noise to data when following a live stream that is further ahead. */
const CATCH_UP = 1.6;
const LOOP_PAUSE = 1.5;

export const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Player {
  constructor() {
    this.u = 0;
    this.playing = false;
    this.following = false;
    this.until = 1;
    this.loop = false;
    this.speed = 1;
    this.limit = 1;
    /** @type {number[]} positions of the frames of all runs */
    this.stops = [];
    this.rest = 0;
  }

  /** @param {number} seconds since the last tick @returns {boolean} whether the playhead moved */
  tick(seconds) {
    const before = this.u;
    if (this.following) {
      this.u = Math.min(this.limit, this.until, this.u + seconds / CATCH_UP);
      if (this.u >= this.until) this.following = false;
    } else if (this.playing) {
      if (this.u < 1) this.u = Math.min(this.limit, this.u + (seconds * this.speed) / DURATION);
      else if (!this.loop) this.playing = false;
      else if ((this.rest += seconds) > LOOP_PAUSE) this.seek(0, true);
    }
    return this.u !== before;
  }

  /** @param {number} u @param {boolean} [keepPlaying] */
  seek(u, keepPlaying = this.playing) {
    this.u = Math.min(Math.max(u, 0), this.limit);
    this.following = false;
    this.until = 1;
    this.playing = keepPlaying;
    this.rest = 0;
  }

  toggle() {
    if (this.playing || this.following) this.pause();
    else this.play();
  }

  /** From the start if the playhead is at the end. */
  play() {
    if (this.u >= 1) this.seek(0);
    this.playing = true;
  }

  pause() {
    this.playing = false;
    this.following = false;
  }

  /** Run with what arrives. @param {number} [until] where to stop */
  follow(until = 1) {
    this.following = true;
    this.until = until;
    this.playing = false;
  }

  /** One frame on or back; pauses. @param {1|-1} direction */
  step(direction) {
    this.seek(neighbour(this.stops, this.u, direction), false);
  }

  /** Several frames on or back; pauses. @param {number} frames signed */
  jump(frames) {
    for (let i = 0; i < Math.abs(frames); i += 1) this.step(frames > 0 ? 1 : -1);
  }

  /** The next (1) or last (-1) speed of the list. @param {1|-1} direction */
  changeSpeed(direction) {
    const i = SPEEDS.indexOf(this.speed) + direction;
    this.speed = SPEEDS[Math.min(Math.max(i, 0), SPEEDS.length - 1)];
  }
}
