/** What is drawn on the map of ideas. */

export function dot(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

export function ring(context, [x, y], radius, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

export function star(context, [x, y], radius, fill, edge) {
  context.beginPath();
  for (let i = 0; i < 10; i += 1) {
    const r = i % 2 ? radius * 0.45 : radius;
    const angle = (i * Math.PI) / 5 - Math.PI / 2;
    context.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = fill;
  context.strokeStyle = edge;
  context.lineWidth = 2;
  context.stroke();
  context.fill();
}

/** The way of another run. @param {CanvasRenderingContext2D} context @param {[number, number][]} places @param {string} colour */
export function drawOther(context, places, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 1.5;
  context.setLineDash([5, 4]);
  context.beginPath();
  for (const place of places) context.lineTo(...place);
  context.stroke();
  context.setLineDash([]);
  for (const place of places) dot(context, place, 1.8);
  ring(context, places.at(-1), 5, colour);
}
