/** A lane of the player that forks: the main track above, the other one thin below. */

import { childIn } from "./branch_compose.js";
import { positionOf, visibleFrames } from "./timeline.js";

/** Upper and lower edge of both tracks, in heights of the lane. */
const MAIN = [0.06, 0.5];
const OTHER = [0.66, 0.92];

/**
 * @param {import("./run.js").Run} run the main track @param {import("./run.js").Run} ghost
 * @param {CanvasRenderingContext2D} context of the lane @param {import("./timeline.js").Axis} axis
 * @param {{accent: string, grey: string}} colours
 */
export function drawFork(run, ghost, context, axis, { accent, grey }) {
  const { width, height } = context.canvas;
  const fork = positionOf(axis, childIn(run, ghost).fork ?? axis.top) * width;
  const stroke = Math.max(1.5, 2 * devicePixelRatio);
  context.fillStyle = accent;
  track(context, run, axis, MAIN, stroke, 0);
  context.fillStyle = context.strokeStyle = grey;
  track(context, ghost, axis, OTHER, stroke * 0.75, fork);
  // The way from one to the other: this is where they part.
  const [from, to] = [height * MAIN[0], height * ((OTHER[0] + OTHER[1]) / 2)];
  context.lineWidth = 1.5 * stroke;
  context.beginPath();
  context.moveTo(fork, from);
  context.lineTo(fork, height * MAIN[1]);
  context.quadraticCurveTo(fork, to, fork + height * 0.4, to);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {number} from pixels: what lies left of it is the other track's */
function track(context, run, axis, [upper, lower], stroke, from) {
  const { width, height } = context.canvas;
  const frames = visibleFrames(run.pictureStages);
  if (frames.length === 0) return;
  const [top, high] = [height * upper, height * (lower - upper)];
  const xs = frames.map(({ level }) => positionOf(axis, level) * width).filter((x) => x >= from - 0.5);
  if (xs.length === 0) return;
  const begin = xs[0];
  const end = run.done ? width : xs.at(-1);
  context.globalAlpha = 0.25;
  context.fillRect(begin, top, end - begin, high);
  context.globalAlpha = 1;
  for (const x of xs) context.fillRect(x - stroke / 2, top, stroke, high);
  if (run.done) context.fillRect(width - 2 * stroke, top, 2 * stroke, high);
}
