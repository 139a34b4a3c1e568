/**
 * The one module that touches the network: the JSON calls, the recorded runs, the event streams.
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

/**
 * Starts a run. @param {string} pipeline @param {object} input @param {object} settings
 * @returns {Promise<{id: string, events: string, settings: any}>} @throws {Refused}
 */
export async function start(pipeline, input, settings) {
  const response = await call("/api/runs", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ pipeline, input, settings }),
  });
  return response.json();
}

/** Stops a run on the server. @param {string} id */
export async function cancel(id) {
  try {
    await call(`/api/runs/${encodeURIComponent(id)}`, { method: "DELETE" });
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
  for (const name of ["start", "frame", "done"]) {
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
