/** A picture on a canvas: crisp while pixels are the point, smooth once there are enough of them. */

/** From this many pixels on, smooth: single pixels no longer say anything. */
const FINE = 64;

export class Pixels {
  /** @param {HTMLElement} box its size is the room there is; the canvas is put into it */
  constructor(box) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "pixels";
    this.canvas.setAttribute("role", "img");
    this.box = box;
    box.append(this.canvas);
    this.size = [0, 0];
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(box);
  }

  /** @param {import("./decode.js").Decoded} picture uint8 (h, w, 3) */
  draw(picture) {
    const [height, width] = picture.shape;
    if (this.size[0] !== height || this.size[1] !== width) {
      this.size = [height, width];
      this.canvas.height = height;
      this.canvas.width = width;
      this.canvas.dataset.fine = String(height >= FINE);
      this.fit();
    }
    const context = this.canvas.getContext("2d");
    context.putImageData(imageOf(context, picture), 0, 0);
  }

  fit() {
    const [height, width] = this.size;
    if (!width) return;
    const room = Math.min(this.box.clientWidth, this.box.clientHeight) * devicePixelRatio;
    // Whole pixels for 16 and 32; what is finer is drawn smoothly and may have any size.
    const side = room < 128 ? Math.floor(room) : Math.floor(room / 32) * 32;
    const scale = side / Math.max(height, width) / devicePixelRatio;
    this.canvas.style.width = `${width * scale}px`;
    this.canvas.style.height = `${height * scale}px`;
  }

  clear() {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  remove() {
    this.watch.disconnect();
    this.canvas.remove();
  }
}

/** Draws a picture at its own size. @param {HTMLCanvasElement} canvas @param {{shape: number[], values: Uint8Array}} picture */
export function drawSmall(canvas, picture) {
  [canvas.height, canvas.width] = picture.shape;
  canvas.classList.add("pixels");
  canvas.dataset.fine = String(picture.shape[0] >= FINE);
  const context = canvas.getContext("2d");
  context.putImageData(imageOf(context, picture), 0, 0);
}

/** @param {CanvasRenderingContext2D} context @param {{shape: number[], values: Uint8Array}} picture (h, w, 3) */
function imageOf(context, { shape: [height, width], values }) {
  const image = context.createImageData(width, height);
  for (let i = 0, j = 0; j < values.length; i += 4, j += 3) {
    image.data[i] = values[j];
    image.data[i + 1] = values[j + 1];
    image.data[i + 2] = values[j + 2];
    image.data[i + 3] = 255;
  }
  return image;
}
