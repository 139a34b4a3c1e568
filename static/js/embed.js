/** The stage for a frame in slides or in another page: panels and player, without the form. */

import { ImageView } from "./image_view.js";
import { LateView, inSight } from "./late.js";
import { PARTS, badOf, readLink } from "./link.js";
import { complaint, lookAs, otherWeights } from "./link_stage.js";
import { requestOf } from "./link_runs.js";
import { Wishes } from "./molecule_tools.js";
import { MoleculeView } from "./molecule_view.js";
import { pipelines, recorded } from "./net.js";
import { notice } from "./notice.js";
import { Panel } from "./panel.js";
import { Run } from "./run.js";
import { Runner } from "./runner.js";
import { Stage } from "./stage.js";
import { t, words } from "./text.js";
import { trouble, watchScripts } from "./trouble.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
/** Milliseconds between two looks at a server that is loading. */
const AGAIN = 1000;

watchScripts();

const link = readLink(location.search);
const wishes = new Wishes({ style: link.view ?? null, colour: link.colour ?? null });
const views = {
  dye: (places) => new LateView(async () => new (await import("./particles_view.js")).ParticlesView(places)),
  alphafold3: (places) => new MoleculeView(places, wishes),
  alphafold2: (places) => new MoleculeView(places, wishes, true),
};
const ids = byId("stage").dataset.panels.split(" ");
/** @type {Record<string, Panel>} */
const panels = Object.fromEntries(
  ids.map((id) => [id, new Panel(byId(id), id, views[id] ?? ((places) => new ImageView(places)))]),
);
panels.dye?.view.want();
for (const { root } of Object.values(panels)) root.hidden = false;
const stage = new Stage({ panels: Object.values(panels), extra: [] });
stage.view.setLanes(ids.map((id) => panels[id].root.dataset.accent || "picture"), ids.map(laneName));

/** @param {string} id */
function laneName(id) {
  const pair = ids.length === 2 && !ids.includes("dye") && ids.join() !== "dalle2,alphafold3";
  if (pair) return t(ids.includes("dalle1") ? `compare.${id}` : `twins.${id}`);
  return ids.length === 1 ? "" : t(`lane.${panels[id].root.dataset.accent}`); // one lane needs no name
}

// The rest of the address is the stage's own: the link opens the same experiment there.
const rest = new URLSearchParams(location.search);
rest.delete("only");
byId("embed-open").href = `/?${rest}`;

/** Whether the link asks for a run of a panel. */
const asked = (id) => (id === "dye" ? link.dye : ["dalle2", "dalle1"].includes(id) ? link.prompt : link.molecule) !== undefined;
const stopAt = lookAs(link, { stage, panels }, ids.some(asked));

/** @type {import("./branch_door.js").BranchDoor | undefined} there if the link has branches */
let branching;

const runners = Object.fromEntries(
  ids.map((id) => [
    id,
    new Runner(id, {
      attach: (live) => {
        const before = panels[id].run;
        panels[id].attach(live);
        if (!branching?.attached(panels[id], live, before)) stage.player.seek(0);
        stage.player.follow(stopAt ?? 1);
        stage.refresh();
      },
      event: (name, live) => {
        if (live && live !== panels[id].run) branching?.beside(panels[id], name);
        else if (live && name === "start") {
          panels[id].started();
          stage.refresh();
        } else if (live) stage.arrived();
        if (live === panels[id].run && name === "done") {
          panels[id].ended();
          branching?.finished(panels[id]);
          byId("welcome").textContent = t("live.finished", { name: panels[id].name });
        }
      },
      complain: (text) => {
        if (id === "alphafold2" && text) panels[id].refuse(t("twins.none", { reason: text }), text);
        else trouble(text);
      },
      trouble,
    }),
  ]),
);

/** @param {string} id */
async function showRecording(id) {
  if (!byId("stage").dataset.recorded.split(" ").includes(id)) return;
  let trace;
  try {
    trace = await recorded(id);
  } catch {
    return; // it did not come: the panel stays empty until a run comes
  }
  if (panels[id].run) return;
  panels[id].attach(Run.fromTrace(trace));
  stage.refresh();
  if (stopAt !== undefined) stage.player.seek(stopAt, false);
  else if (still) stage.player.seek(1);
  else if (stage.player.u === 0) stage.player.play();
  stage.changed();
}

/** Runs that go on from others. @param {import("./net.js").PipelineInfo[]} infos @returns {Promise<string[]>} whose */
async function openBranches(infos) {
  if (!new URLSearchParams(location.search).has("branch")) return [];
  const { BranchDoor } = await import("./branch_door.js");
  const announce = (text) => (byId("welcome").textContent = text);
  const ask = { form: document.createElement("form"), peek: (id) => requestOf(link, id, infos) };
  const none = () => {};
  branching = new BranchDoor({ stage, panels, runners, ask, announce, trouble, written: none, redraw: none, opened: none });
  branching.offer(infos.filter(({ id }) => ids.includes(id)));
  return branching.open(location.search);
}

/** The runs of the link, once the server has its models. */
async function runLink() {
  let infos;
  try {
    infos = await pipelines();
  } catch {
    trouble(t("error.unreachable"));
    setTimeout(runLink, 3 * AGAIN);
    return;
  }
  const wanted = ids.filter(asked);
  const off = wanted.map((id) => infos.find((info) => info.id === id)).filter((info) => !info?.available);
  if (off.some((info) => /still loading/.test(info?.reason ?? ""))) {
    setTimeout(runLink, AGAIN);
    return;
  }
  trouble("");
  const forked = await openBranches(infos);
  for (const id of wanted.filter((one) => !forked.includes(one))) {
    const request = requestOf(link, id, infos);
    if (request) runners[id].go(request.input, request.settings);
  }
  await words("files");
  const said = [...bad, otherWeights(link.v, infos, ids) ? t("link.other_weights") : ""].filter(Boolean);
  if (said.length > 0) notice(said);
}

stage.changed();
await Promise.all(ids.filter((id) => !asked(id)).map(showRecording));
document.body.dataset.ready = "";
const bad = [await complaint(badOf(location.search), [], PARTS)].filter(Boolean);
// Twenty slides with a frame each must not start twenty runs: each waits until it is seen.
if (ids.some(asked)) inSight(byId("stage"), runLink);
else if (bad.length > 0) notice(bad);
