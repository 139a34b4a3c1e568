/**
 * Arrays as they travel (`{dtype, shape, data}` with base64 data, little-endian) -> typed arrays.
 * Pure: no page, no network.
 */

/** @typedef {{dtype: string, shape: number[], data: string}} WireArray */
/** @typedef {{shape: number[], values: Float32Array | Float64Array | Uint8Array | Int32Array}} Decoded */

/** @param {string} text @returns {Uint8Array} */
export function bytesOf(text) {
  if (typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** IEEE 754 half precision -> number. @param {number} half 16 bits @returns {number} */
export function halfToNumber(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @param {WireArray} array @returns {Decoded} @throws {Error} on an unknown dtype or a size that does not fit */
export function decode(array) {
  const bytes = bytesOf(array.data);
  const { buffer, byteOffset, byteLength } = bytes.slice(); // a copy starts at an aligned offset
  let values;
  if (array.dtype === "uint8") values = new Uint8Array(buffer, byteOffset, byteLength);
  else if (array.dtype === "float32") values = new Float32Array(buffer, byteOffset, byteLength / 4);
  else if (array.dtype === "float64") values = new Float64Array(buffer, byteOffset, byteLength / 8);
  else if (array.dtype === "int32") values = new Int32Array(buffer, byteOffset, byteLength / 4);
  else if (array.dtype === "float16") {
    values = Float32Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), halfToNumber);
  } else throw new Error(`unknown array type ${array.dtype}`);
  const size = array.shape.reduce((product, n) => product * n, 1);
  if (values.length !== size) throw new Error(`array of ${values.length} values does not have shape ${array.shape}`);
  return { shape: array.shape, values };
}

/**
 * One sample of an array that may or may not have a leading samples axis.
 * @param {Decoded} decoded @param {number} rank dimensions of ONE sample @param {number} index
 * @returns {Decoded}
 */
export function sampleOf(decoded, rank, index) {
  if (decoded.shape.length === rank) return decoded;
  const [count, ...shape] = decoded.shape;
  const size = shape.reduce((product, n) => product * n, 1);
  const k = Math.min(index, count - 1);
  return { shape, values: decoded.values.subarray(k * size, (k + 1) * size) };
}
