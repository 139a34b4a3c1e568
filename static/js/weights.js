/** Which weights something was made with, short enough for a link. Pure. */

/** FNV-1a, 32 bits, as 8 hexadecimal digits: a label, not a proof. @param {string} text */
function hashed(text) {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193);
  return (state >>> 0).toString(16).padStart(8, "0");
}

/** The same files with the same content, in any order. @param {Record<string, string>} checkpoints file -> fingerprint */
export const fingerprint = (checkpoints) => hashed(JSON.stringify(Object.entries(checkpoints ?? {}).sort()));

/**
 * What a link says about its models, undefined as long as one of them is not there.
 * @param {import("./net.js").PipelineInfo[]} infos @param {string[]} ids pipelines of the run
 */
export function weightsOf(infos, ids) {
  const found = ids.map((id) => infos.find((info) => info.id === id && info.available));
  if (ids.length === 0 || found.includes(undefined)) return undefined;
  return found.map(({ checkpoints }) => fingerprint(checkpoints)).join(".");
}
