/** Rooms on the stage: which side this page is on, and what both sides need of it. */

import { Refused, openRoom, roomView } from "./net.js";
import { RoomFeed } from "./room_feed.js";
import { Follower } from "./room_follower.js";
import { Presenter } from "./room_presenter.js";
import { summaryOf } from "./settling_words.js";
import { said } from "./sentences.js";
import { localLink, t } from "./text.js";

/**
 * @typedef {{stage: import("./stage.js").Stage, panels: Record<string, import("./panel.js").Panel>,
 *   runners: Record<string, import("./runner.js").Runner>, ask: import("./ask.js").Ask,
 *   trouble: (text: string) => void, announce: (text: string) => void, restyle: () => void,
 *   lessons: import("./lesson_door.js").LessonDoor}} Parts
 * @typedef {Parts & {measured: (id: string) => string, setMode: (mode: string) => void, release: () => void}} Page
 */

const byId = (id) => document.getElementById(id);
const KEPT = "room";
/** Milliseconds after which a room is taken up with what has come of its runs. */
const LATE = 20000;

/** @param {Parts} parts @param {string} followedCode "" if this page follows no room @returns {{open: () => void}} */
export function startRoom(parts, followedCode) {
  /** @type {Page} */
  const page = { ...parts, measured, setMode, release };

  /** What the stage's own curves say about a ready question. */
  function measured(id) {
    if (id.startsWith("lesson_")) return parts.lessons.measured(id);
    const panel = { molecule_first: parts.panels.alphafold3, picture_first: parts.panels.dalle2 }[id];
    const settling = panel?.run?.done?.settling;
    return settling?.bands?.length ? summaryOf([{ name: panel.name, settling }]) : "";
  }

  function setMode(mode) {
    const { picture } = parts.ask;
    parts.ask.setMoleculeMode(mode === "twins" ? "compare" : "alone");
    if ([...picture.select.options].some(({ value, disabled }) => value === mode && !disabled)) picture.setMode(mode);
  }

  /** The room is over: a follower's page becomes a stage like any other. */
  function release() {
    delete document.documentElement.dataset.room;
    history.replaceState(null, "", localLink("/"));
  }

  if (followedCode) new Follower(page, followedCode);
  else takeUp(page);
  return { open: () => open(page) };
}

/** @param {Page} page */
async function open(page) {
  const button = byId("room-open");
  button.disabled = true;
  try {
    const room = await openRoom();
    remember(room);
    page.trouble("");
    present(page, room).show();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { status, retryAfter, problems } = error;
    if (status === 0) page.trouble(t("error.unreachable"));
    else if (retryAfter) page.trouble(t("room.busy", { seconds: retryAfter }));
    else page.trouble(t("room.refused", { message: problems[0] ? await said(problems[0].message) : status }));
  } finally {
    button.disabled = false;
  }
}

/** @param {Page} page @param {import("./net.js").OpenedRoom} room */
function present(page, room) {
  const url = new URL(location.href);
  url.searchParams.set("room", room.code);
  history.replaceState(null, "", url);
  return new Presenter(page, room, () => {
    remember(null);
    withoutRoom();
  });
}

/** After a reload: the room goes on, with what it was showing. A stranger with the link follows. */
async function takeUp(page) {
  const code = new URLSearchParams(location.search).get("room");
  if (!code) return;
  const room = kept();
  let view;
  try {
    view = await roomView(code);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (room?.code === code) page.trouble(t("room.ended_here"));
    remember(null);
    withoutRoom();
    return;
  }
  if (room?.code !== view.code) {
    location.replace(`/room/${view.code}`);
    return;
  }
  page.announce(t("room.restoring"));
  const wanted = new Map(
    Object.entries(view.state?.panels ?? {}).flatMap(([id, { run }]) => (run && page.panels[id] ? [[run, id]] : [])),
  );
  if (view.state) {
    page.setMode(view.state.mode);
    if (view.state.inputs) page.ask.fill({ ...view.state.inputs, mode: view.state.mode });
  }
  const u = view.state?.player.u ?? 0;
  const begin = () => {
    page.stage.seek(u);
    if (view.poll) present(page, room).adopt(view.poll);
    else present(page, room);
  };
  if (wanted.size === 0) begin();
  else resume(page, code, wanted, u, begin);
}

/**
 * Puts the room's runs back on the stage and goes on with those that are still computed.
 * @param {Page} page @param {string} code @param {Map<string, string>} wanted panel by run
 * @param {number} u where the playhead was
 * @param {() => void} begin called once they are there as far as they were seen
 */
function resume(page, code, wanted, u, begin) {
  const missing = new Set(wanted.keys());
  const busy = () => [...wanted.keys()].some((id) => feed.runs.get(id)?.streaming);
  let begun = false;
  const start = () => {
    clearTimeout(late);
    if (!begun) begin();
    begun = true;
  };
  const late = setTimeout(start, LATE);
  const feed = new RoomFeed(code, {
    room: () => {},
    event: (name, run) => {
      const id = wanted.get(run.id);
      if (!id) return;
      const { on } = page.runners[id];
      if (name === "start") {
        page.runners[id].stop();
        page.runners[id].run = run;
        on.attach(run);
        missing.delete(run.id);
      } else if (page.panels[id].run === run) on.event(name, run);
      if (missing.size > 0) return;
      if (page.stage.player.limit >= u || !busy()) start();
      if (!busy()) feed.stop();
    },
    lost: () => {},
    back: () => {},
    full: () => {},
    ended: start,
  });
  feed.join();
}

function withoutRoom() {
  const url = new URL(location.href);
  url.searchParams.delete("room");
  history.replaceState(null, "", url);
}

/** The key stays in this tab: a reload keeps the room, another tab does not get it. */
function remember(room) {
  try {
    if (room) sessionStorage.setItem(KEPT, JSON.stringify(room));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Storage may be forbidden: the room then lasts as long as the page.
  }
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  } catch {
    return null;
  }
}
