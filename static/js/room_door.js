/** The way into a room: its modules, words and styles are fetched when one is opened, taken up or followed. */

import { Late, styled } from "./late.js";
import { words } from "./text.js";

/** The code of the room that this page follows, "" if it follows none. */
export const followedCode = /^\/room\/([^/]+)$/.exec(location.pathname)?.[1] ?? "";

/** @param {import("./room.js").Parts} parts @returns {Promise<void>} once a follower's page is ready to be told */
export async function roomDoor(parts) {
  const room = new Late(async () => {
    const [{ startRoom }] = await Promise.all([import("./room.js"), words("room"), styled("room")]);
    return startRoom(parts, followedCode);
  });
  if (followedCode) await room.want();
  else if (new URLSearchParams(location.search).has("room")) room.want();
  document.getElementById("room-open")?.addEventListener("click", async () => (await room.want()).open());
}
