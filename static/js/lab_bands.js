/** How two finished pictures differ, split by scale as the settling curves are. Pure. */

/** Radial spatial frequency in cycles per picture: below 2.5, below 6.5, above (models/evaluation/settling.py). */
const LOW = 2.5;
const MIDDLE = 6.5;
const MOST = Math.floor(MIDDLE);

/**
 * Root mean square of the difference over pixels and colours, values from -1 to 1, whole and by band;
 * low^2 + middle^2 + high^2 = whole^2.
 * @param {{shape: number[], values: ArrayLike<number>}} a (h, w, 3), 0 to 255 @param {{shape: number[], values: ArrayLike<number>}} b
 * @returns {{whole: number, low: number, middle: number, high: number}}
 */
export function bandsApart(a, b) {
  const [height, width, colours] = a.shape;
  const apart = Float64Array.from(a.values, (value, i) => (value - b.values[i]) / 127.5);
  const whole = apart.reduce((sum, value) => sum + value * value, 0) / apart.length;
  let [low, middle] = [0, 0];
  const [cosX, sinX] = waves(width);
  const [cosY, sinY] = waves(height);
  for (let colour = 0; colour < colours; colour += 1)
    for (let kx = -MOST; kx <= MOST; kx += 1) {
      const rows = alongRows(apart, height, width, colours, colour, kx, cosX, sinX);
      for (let ky = -MOST; ky <= MOST; ky += 1) {
        const radius = Math.hypot(kx, ky);
        if (radius >= MIDDLE) continue;
        let [re, im] = [0, 0];
        for (let y = 0; y < height; y += 1) {
          const at = (((ky * y) % height) + height) % height;
          re += rows.re[y] * cosY[at] + rows.im[y] * sinY[at];
          im += rows.im[y] * cosY[at] - rows.re[y] * sinY[at];
        }
        const power = (re * re + im * im) / (height * width) ** 2 / colours;
        if (radius < LOW) low += power;
        else middle += power;
      }
    }
  const root = (power) => Math.sqrt(Math.max(0, power));
  return { whole: root(whole), low: root(low), middle: root(middle), high: root(whole - low - middle) };
}

/** One horizontal frequency of every row. */
function alongRows(values, height, width, colours, colour, kx, cos, sin) {
  const re = new Float64Array(height);
  const im = new Float64Array(height);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const value = values[(y * width + x) * colours + colour];
      const at = (((kx * x) % width) + width) % width;
      re[y] += value * cos[at];
      im[y] -= value * sin[at];
    }
  return { re, im };
}

const waves = (size) =>
  [Math.cos, Math.sin].map((wave) => Float64Array.from({ length: size }, (_, i) => wave((2 * Math.PI * i) / size)));
