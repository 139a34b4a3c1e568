/**
 * Branches in an address: what was left where, and what went on. Pure.
 *
 * The other keys of the address hold what stands in the form. This one holds, for each branched panel,
 * what the form does not: settings as they differ from the server's defaults (by flat names), and the run that was left as
 * it differs from its child. It is JSON in base64 for addresses; nothing in it is secret.
 *
 * @typedef {{pipeline: string, input: object | null, settings: Record<string, any>,
 *   branch: import("./branch_choice.js").Branch}} Branched  input null: the one that stands in the form
 */

import { same } from "./branch_choice.js";

/** {schedule: {kind}} -> {"schedule.kind"}, as the server names its defaults. @param {Record<string, any>} settings */
const flat = (settings) =>
  Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) =>
      isGroup(value) ? Object.entries(value).map(([inner, v]) => [`${name}.${inner}`, v]) : [[name, value]],
    ),
  );
const isGroup = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The inverse. @param {Record<string, any>} settings */
function grouped(settings) {
  const out = {};
  for (const [name, value] of Object.entries(settings)) {
    const [outer, inner] = name.split(".");
    if (inner === undefined) out[outer] = value;
    else (out[outer] ??= {})[inner] = value;
  }
  return out;
}

/** What has to be written over `a` to get `b`; null takes a name away. */
function difference(a, b) {
  const gone = Object.keys(a).filter((name) => !(name in b));
  const other = Object.entries(b).filter(([name, value]) => !same(a[name], value));
  return Object.fromEntries([...other, ...gone.map((name) => [name, null])]);
}

const over = (a, written) =>
  Object.fromEntries(Object.entries({ ...a, ...written }).filter(([, value]) => value !== null));

/** @param {Record<string, any>} settings @param {Record<string, {default: any}>} offered of /api/pipelines */
export const unusual = (settings, offered) =>
  Object.fromEntries(
    Object.entries(flat(settings)).filter(([name, value]) => value !== null && !same(offered[name]?.default, value)),
  );

/** @param {import("./branch_choice.js").Branch} branch @param {object} input @param {object} settings of its child */
function packed({ of, stage, step }, input, settings, offered) {
  const reduced = unusual(of.settings, offered);
  return {
    at: [stage, step],
    ...(same(of.input, input) ? {} : { i: of.input }),
    s: difference(settings, reduced),
    ...(of.branch ? { b: packed(of.branch, of.input, reduced, offered) } : {}),
  };
}

function unpacked({ at: [stage, step], i, s, b }, input, settings) {
  const written = over(settings, s);
  const of = { input: i ?? input, settings: grouped(written) };
  if (b) of.branch = unpacked(b, of.input, written);
  return { of, stage, step };
}

/**
 * @param {Branched[]} all @param {Record<string, Record<string, {default: any}>>} offered settings by pipeline
 * @param {Record<string, object>} inForm inputs that stand in the form, by pipeline
 * @returns {string} "" for none
 */
export function writeBranches(all, offered, inForm) {
  if (all.length === 0) return "";
  const items = all.map(({ pipeline, input, settings, branch }) => {
    const reduced = unusual(settings, offered[pipeline] ?? {});
    const typed = same(input, inForm[pipeline]);
    const from = packed(branch, input, reduced, offered[pipeline] ?? {});
    return { p: pipeline, ...(typed ? {} : { i: input }), s: reduced, f: from };
  });
  const bytes = new TextEncoder().encode(JSON.stringify(items));
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * @param {string | undefined} text @param {Record<string, object>} inForm inputs that stand in the form, by pipeline
 * @returns {Branched[] | null} null if it cannot be read
 */
export function readBranches(text, inForm) {
  if (!text) return [];
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).map(({ p, i, s, f }) => {
      const input = i ?? inForm[p];
      if (!input || typeof s !== "object") throw new Error("not a branch");
      return { pipeline: p, input, settings: grouped(s), branch: unpacked(f, input, s) };
    });
  } catch {
    return null;
  }
}
