/**
 * The one module that touches the network: the JSON calls, uploads, recorded runs, event streams.
 *
 * @typedef {{field: string, message: string, accepted: string}} Problem
 * @typedef {{id: string, title: string, available: boolean, reason?: string,
 *   settings: Record<string, {default: any, minimum?: number, maximum?: number}>,
 *   examples: {label: string, input: any}[]}} PipelineInfo
 */

/** A request that the server refused (status > 0) or that never reached it (status 0). */
export class Refused extends Error {
  /** @param {number} status @param {Problem[]} problems @param {number} retryAfter seconds, 0 if the server names none */
  constructor(status, problems, retryAfter = 0) {
    super(problems.map(({ message }) => message).join("; ") || `status ${status}`);
    this.status = status;
    this.problems = problems;
    this.retryAfter = retryAfter;
  }
}

/** @param {string} url @param {RequestInit} [options] @returns {Promise<Response>} @throws {Refused} */
async function call(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refused(0, []);
  }
  if (response.ok) return response;
  let problems = [];
  try {
    const { detail } = await response.json();
    problems = Array.isArray(detail) ? detail : [{ field: "", message: String(detail), accepted: "" }];
  } catch {
    // A proxy may answer with a page of its own; the status then has to do.
  }
  throw new Refused(response.status, problems, Number(response.headers.get("Retry-After")) || 0);
}

/** @returns {Promise<PipelineInfo[]>} @throws {Refused} */
export async function pipelines() {
  return (await (await call("/api/pipelines")).json()).pipelines;
}

/** A recorded run. @param {string} pipeline @returns {Promise<any>} @throws {Refused} */
export async function recorded(pipeline) {
  // As the template's preload asks for it, so that the bytes are fetched once.
  const response = await call(`/static/traces/${pipeline}.json`, { credentials: "same-origin" });
  return response.json();
}

/** Parts of the page's words. @param {string} language @param {string[]} parts @returns {Promise<Record<string, string>>} @throws {Refused} */
export async function catalogue(language, parts) {
  // As the template's preload asks for the first ones.
  return (await call(`/text/${language}/${parts.join(",")}.json`, { credentials: "same-origin" })).json();
}

/**
 * Starts a run. @param {string} pipeline @param {object} input @param {object} settings
 * @param {import("./branch_choice.js").Branch} [branch] where it goes on from, if not from noise
 * @returns {Promise<{id: string, events: string, settings: any}>} @throws {Refused}
 */
export async function start(pipeline, input, settings, branch) {
  const response = await call("/api/runs", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ pipeline, input, settings, branch }),
  });
  return response.json();
}

/**
 * What a run would do, without running it. @param {string} pipeline @param {object} input @param {object} settings
 * @returns {Promise<{settings: any, stages: any[], notes: string[], cost: number}>} @throws {Refused}
 */
export async function plan(pipeline, input, settings) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ pipeline, input, settings });
  return (await call("/api/plans", { method: "POST", headers, body })).json();
}

/**
 * Leaves a picture with the server for a while. @param {File} file PNG or JPEG
 * @returns {Promise<{id: string, width: number, height: number, image: import("./decode.js").WireArray}>}
 * @throws {Refused}
 */
export async function upload(file) {
  const headers = { "Content-Type": file.type };
  return (await call("/api/pictures", { method: "POST", headers, body: file })).json();
}

/** @typedef {{points: {label: string, group: string, x: number, y: number}[], projection: any, mean?: any, scale?: number}} ConceptMap */
/** The concepts as CLIP places them. @returns {Promise<ConceptMap>} @throws {Refused} */
export async function conceptMap() {
  return (await call("/api/pipelines/dalle2/map")).json();
}

/** What the model's card is drawn from. @param {string} id pipeline @returns {Promise<any>} @throws {Refused} */
export async function card(id) {
  return (await call(`/models/${encodeURIComponent(id)}/card.json`)).json();
}

/** Where a training drawing lies. @param {number} index */
export const drawingUrl = (index) => `/api/pipelines/dalle2/drawings/${index}.png`;

/**
 * RDKit's conformer of a finished run's molecule, laid onto its first sample. @param {string} id
 * @returns {Promise<{xyz: import("./decode.js").WireArray, seconds: number, rmsd: number, method: string}>}
 * @throws {Refused}
 */
export async function etkdg(id) {
  return (await call(`/api/runs/${encodeURIComponent(id)}/etkdg`)).json();
}

let presenterKey = "";
/** Whom runs are stopped as: those that a room shows only its presenter may stop. @param {string} key "" without a room */
export const presentAs = (key) => void (presenterKey = key);

/** Stops a run on the server. @param {string} id */
export async function cancel(id) {
  const headers = presenterKey ? { "X-Room-Key": presenterKey } : {};
  try {
    await call(`/api/runs/${encodeURIComponent(id)}`, { method: "DELETE", headers });
  } catch (error) {
    if (!(error instanceof Refused)) throw error; // it has ended or the server is gone: nothing to stop
  }
}

/**
 * Follows a run. The browser reconnects by itself and names the last event it saw, so that nothing is
 * missed; the stream is closed by the last event.
 * @param {string} url
 * @param {{event: (name: string, data: any) => void, lost: () => void, back: () => void, gone: () => void}} on
 *   lost: the connection broke and is being restored; back: it is; gone: it will not be
 * @returns {() => void} stops following
 */
export function follow(url, on) {
  const source = new EventSource(url);
  let broken = false;
  const close = () => source.close();
  source.onopen = () => {
    if (broken) on.back();
    broken = false;
  };
  for (const name of ["start", "queued", "frame", "done"]) {
    source.addEventListener(name, (message) => {
      if (name === "done") close();
      on.event(name, JSON.parse(message.data));
    });
  }
  // Both the server's "error" event and a broken connection arrive here; only the first has data.
  source.addEventListener("error", (message) => {
    if (message.data !== undefined) {
      close();
      on.event("error", JSON.parse(message.data));
    } else if (source.readyState === EventSource.CLOSED) on.gone();
    else {
      broken = true;
      on.lost();
    }
  });
  return close;
}

/** @typedef {{code: string, key: string, url: string, expires: string, reachable: boolean}} OpenedRoom */
/** Opens a room; the key is told only here. @returns {Promise<OpenedRoom>} @throws {Refused} */
export async function openRoom() {
  return (await call("/api/rooms", { method: "POST" })).json();
}

const roomPath = (code, rest = "") => `/api/rooms/${encodeURIComponent(code)}${rest}`;

/**
 * A room as everybody sees it. @param {string} code
 * @returns {Promise<{code: string, events: string, answers: string, followers: number, version: number,
 *   state: import("./room_state.js").RoomState | null, poll: any}>} @throws {Refused}
 */
export async function roomView(code) {
  return (await call(roomPath(code))).json();
}

/** The QR code of a room's address. @param {string} code */
export const roomQrUrl = (code) => roomPath(code, "/qr.svg");

/**
 * What only the presenter may do. @param {{code: string, key: string}} room
 * @param {"POST" | "DELETE"} method @param {string} rest "/state", "/poll", "/poll/reveal" or "" for the room
 * @param {object} [body]
 * @returns {Promise<{followers: number, poll: number | null, tally: number[] | null} | null>} @throws {Refused}
 */
export async function presentRoom({ code, key }, method, rest, body) {
  const headers = { "X-Room-Key": key, "Content-Type": "application/json" };
  const response = await call(roomPath(code, rest), { method, headers, body: body && JSON.stringify(body) });
  return response.status === 204 ? null : response.json();
}

/** @param {string} url as the room named it @param {string} follower random id @param {number} poll @param {number} option @throws {Refused} */
export async function answerRoom(url, follower, poll, option) {
  const headers = { "X-Follower": follower, "Content-Type": "application/json" };
  await call(url, { method: "POST", headers, body: JSON.stringify({ poll, option }) });
}

/**
 * Follows a room; the browser reconnects by itself and names the last event of a run that it saw.
 * @param {string} url as the room named it
 * @param {{room: (data: any) => void, run: (data: any) => void, ended: (reason: string) => void,
 *   lost: () => void, back: () => void, gone: () => void}} on
 *   lost: the connection broke and is being restored; back: it is; gone: it will not be
 * @returns {() => void} stops following
 */
export function followRoom(url, on) {
  const source = new EventSource(url);
  const close = () => source.close();
  source.onopen = () => on.back();
  source.addEventListener("room", ({ data }) => on.room(JSON.parse(data)));
  source.addEventListener("run", ({ data }) => on.run(JSON.parse(data)));
  source.addEventListener("ended", ({ data }) => {
    close();
    on.ended(JSON.parse(data).reason);
  });
  source.onerror = () => (source.readyState === EventSource.CLOSED ? on.gone() : on.lost());
  return close;
}

/** A finished run as a file. @param {string} id @param {string} format @returns {Promise<Blob>} @throws {Refused} */
export async function exported(id, format) {
  return (await call(`/api/runs/${encodeURIComponent(id)}/export.${format}`)).blob();
}

/** A page of ours as a QR code. @param {string} path with its query */
export const qrUrl = (path) => `/api/qr.svg?path=${encodeURIComponent(path)}`;
