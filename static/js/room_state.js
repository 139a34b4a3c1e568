/**
 * What a presenter tells and a follower does with it: one small object. Pure.
 *
 * @typedef {{u: number, playing: boolean, following: boolean, loop: boolean, speed: number}} PlayerState
 * @typedef {{run: string | null, recorded: boolean, sample: number, alone: boolean}} PanelState
 * @typedef {{panels: Record<string, PanelState>, player: PlayerState, mode: string, focus: string, theme: string,
 *   turn: number[] | null, inputs: object | null, lesson: object | null, language: string}} RoomState
 */

import { DURATION } from "./player.js";

/** A playhead may be this far from where it is expected before it is set: less than the eye sees. */
export const DRIFT = 0.012;
/** Seconds after which a presenter speaks even if nothing has changed. */
export const SILENCE = { quiet: 5, asking: 1, moving: 1 };

/** Where a playhead is expected by now. @param {PlayerState} said @param {number} seconds since it was said */
export function expected(said, seconds) {
  return said.playing ? Math.min(1, said.u + (seconds * said.speed) / DURATION) : said.u;
}

/**
 * Whether followers would see something else than the presenter does.
 * @param {RoomState | null} said @param {RoomState} now @param {number} seconds since it was said
 */
export function differs(said, now, seconds) {
  if (!said) return true;
  const [before, after] = [said, now].map(({ player: { u, ...player }, ...rest }) => JSON.stringify([player, rest]));
  if (before !== after) return true;
  // Who follows a stream runs with what arrives: each screen at its own newest frame.
  return !now.player.following && Math.abs(expected(said.player, seconds) - now.player.u) > DRIFT;
}

/** Seconds of silence that are fine. @param {RoomState} now @param {boolean} asking */
export function patience(now, asking) {
  if (asking) return SILENCE.asking;
  return now.player.playing ? SILENCE.moving : SILENCE.quiet;
}

/**
 * What a follower's player should do now.
 * @param {PlayerState} wanted as it was last said @param {number} seconds since then
 * @param {{u: number, limit: number, playing: boolean, following: boolean}} own
 * @returns {{u: number | null, playing: boolean, following: boolean}} u null: stay where you are
 */
export function steer(wanted, seconds, own) {
  if (wanted.following) {
    // The presenter runs with the stream; so do we, unless all of it has arrived and been seen.
    return { u: null, playing: false, following: own.u < 1 };
  }
  const u = Math.min(expected(wanted, seconds), own.limit);
  const near = wanted.playing && own.playing && Math.abs(u - own.u) < 2 * DRIFT;
  return { u: near || u === own.u ? null : u, playing: wanted.playing && u < 1, following: false };
}

/** "ABC234" as it is read aloud and typed: in two halves. @param {string} code */
export const spaced = (code) => `${code.slice(0, 3)} ${code.slice(3)}`;

/** Shares of a tally in percent of all answers, 0 if there is none. @param {number[]} tally */
export function shares(tally) {
  const total = tally.reduce((sum, count) => sum + count, 0);
  return tally.map((count) => (total ? Math.round((100 * count) / total) : 0));
}
