/**
 * The settings that every export carries: found again in a PNG, GIF, MP4, JSON, CSV, mmCIF, PDB or SDF.
 * Read here and not on the server: a file of some megabytes need not travel, and an address is enough to
 * open it from. Pure.
 */

/** @typedef {"json" | "png" | "gif" | "mp4" | "csv" | "cif" | "pdb" | "sdf"} Kind */

const utf8 = new TextDecoder();
const latin = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
const begins = (bytes, ...values) => values.every((value, i) => bytes[i] === value);
const tag = (bytes, at) => latin(bytes.subarray(at, at + 4));

/** Text of the chunk "Twofold". @param {Uint8Array} bytes @returns {string | null} */
function ofPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const size = view.getUint32(at);
    const kind = tag(bytes, at + 4);
    const data = bytes.subarray(at + 8, at + 8 + size);
    const end = data.indexOf(0);
    if (latin(data.subarray(0, Math.max(end, 0))) === "Twofold") {
      if (kind === "tEXt") return latin(data.subarray(end + 1));
      // Of an iTXt chunk: two bytes about compression, then a language and a translated keyword.
      if (kind === "iTXt" && data[end + 1] === 0)
        return utf8.decode(data.subarray(data.indexOf(0, data.indexOf(0, end + 3) + 1) + 1));
    }
    at += 12 + size;
  }
  return null;
}

/** Its comments, in the order of the file. @param {Uint8Array} bytes @returns {string | null} the one that is JSON */
function ofGif(bytes) {
  const table = (packed) => (packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0);
  let at = 13 + table(bytes[10]);
  const blocks = () => {
    const parts = [];
    while (at < bytes.length && bytes[at] !== 0) {
      parts.push(latin(bytes.subarray(at + 1, at + 1 + bytes[at])));
      at += bytes[at] + 1;
    }
    at += 1;
    return parts.join("");
  };
  while (at < bytes.length && bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      const comment = bytes[at + 1] === 0xfe;
      at += 2;
      const text = blocks();
      if (comment && text.startsWith("{")) return text;
    } else if (bytes[at] === 0x2c) {
      at += 11 + table(bytes[at + 9]);
      blocks();
    } else return null;
  }
  return null;
}

/** The comment among its metadata: moov / udta / meta / ilst / ©cmt / data. @param {Uint8Array} bytes @returns {string | null} */
function ofMp4(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [at, end] = [0, bytes.length];
  for (const wanted of ["moov", "udta", "meta", "ilst", "\u00a9cmt", "data"]) {
    while (at + 8 <= end && tag(bytes, at + 4) !== wanted) at += Math.max(8, view.getUint32(at));
    if (at + 8 > end) return null;
    end = Math.min(end, at + view.getUint32(at));
    at += wanted === "meta" ? 12 : 8; // a "meta" box has a version and flags first
  }
  return utf8.decode(bytes.subarray(at + 8, end)); // after the kind of the value and its country
}

/** @param {string} text @returns {[Kind, string | null] | null} */
function ofText(text) {
  const lines = () => text.split(/\r?\n/);
  if (/^\s*\{/.test(text)) return ["json", text];
  if (text.startsWith("# {")) return ["csv", text.slice(2, text.indexOf("\n")).trim()];
  if (/^data_/.test(text)) {
    const line = lines().find((one) => one.startsWith("# {"));
    return ["cif", line?.slice(2) ?? null];
  }
  if (/^(HEADER|TITLE|REMARK|EXPDTA|ATOM|HETATM|MODEL)/.test(text)) {
    const said = lines().filter((line) => line.startsWith("REMARK 998 "));
    return ["pdb", said.length ? said.map((line) => line.slice(11).trimEnd()).join("") : null];
  }
  if (/^\$\$\$\$|^M {2}END/m.test(text)) {
    const item = /^> +<twofold>.*\r?\n((?:.+\r?\n)+)/m.exec(text);
    return ["sdf", item ? item[1].replace(/\r?\n/g, "") : null];
  }
  return null;
}

/**
 * @param {Uint8Array} bytes of a whole file
 * @returns {{kind: Kind | null, text: string | null}} kind null: nothing that this page writes; text: the
 *   settings as JSON, of a JSON file the whole of it, null if there are none inside
 */
export function readFile(bytes) {
  if (begins(bytes, 0x89, 0x50, 0x4e, 0x47)) return { kind: "png", text: ofPng(bytes) };
  if (begins(bytes, 0x47, 0x49, 0x46, 0x38)) return { kind: "gif", text: ofGif(bytes) };
  if (bytes.length > 12 && tag(bytes, 4) === "ftyp") return { kind: "mp4", text: ofMp4(bytes) };
  if (bytes.subarray(0, 2000).includes(0)) return { kind: null, text: null };
  const [kind, text] = ofText(utf8.decode(bytes)) ?? [null, null];
  return { kind, text };
}
