/** Puts the stage together: recorded runs first, live ones on request. */

import { Ask } from "./ask.js";
import { BranchDoor } from "./branch_door.js";
import { ImageView } from "./image_view.js";
import { Late, LateView, inSight, styled } from "./late.js";
import { keysHelp } from "./keys.js";
import { LessonDoor } from "./lesson_door.js";
import { PARTS, badOf, readLink, writeLink } from "./link.js";
import { MoleculeSide } from "./molecule_side.js";
import { Wishes } from "./molecule_tools.js";
import { MoleculeView } from "./molecule_view.js";
import { pipelines, recorded } from "./net.js";
import { Panel } from "./panel.js";
import { PictureSide } from "./picture_side.js";
import { followedCode, roomDoor } from "./room_door.js";
import { Run } from "./run.js";
import { Runner } from "./runner.js";
import { Stage } from "./stage.js";
import { Tabs } from "./tabs.js";
import { currentTheme, themeSwitch } from "./theme.js";
import { said } from "./sentences.js";
import { localLink, paragraph, t, words } from "./text.js";
import { positionOf } from "./timeline.js";
import { trouble, watchScripts } from "./trouble.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

watchScripts();

const announce = (text) => (byId("welcome").textContent = text);

/** What a run has come to. @param {Panel} panel */
async function finished({ name, run: { done } }) {
  const sentences = [t("live.finished", { name })];
  const words = done.settling?.bands?.length && (await import("./settling_words.js").catch(() => null));
  if (words) sentences.push(words.summaryOf([{ name, settling: done.settling, ghost: null }]));
  announce(paragraph(sentences));
}

const wishes = new Wishes({});
const panels = {
  dalle2: new Panel(byId("dalle2"), "dalle2", (places) => new ImageView(places)),
  alphafold3: new Panel(byId("alphafold3"), "alphafold3", (places) => new MoleculeView(places, wishes)),
  alphafold2: new Panel(byId("alphafold2"), "alphafold2", (places) => new MoleculeView(places, wishes, true)),
  dalle1: new Panel(byId("dalle1"), "dalle1", (places) => new ImageView(places)),
  dye: new Panel(
    byId("dye-section"),
    "dye",
    (places) => new LateView(async () => new (await import("./particles_view.js")).ParticlesView(places)),
  ),
};
const chart = new Late(async () => new (await import("./chart.js")).Chart(byId("chart"), byId("chart-frame")));
const stage = new Stage({ panels: [panels.dalle2, panels.alphafold3], extra: [panels.dye] });
for (const panel of Object.values(panels)) panel.hushed = announce;
stage.reached = (mark) => announce(t(`live.${mark}`));
const linked = new Late(async () => {
  const [{ Linked }] = await Promise.all([import("./linked.js"), words("linked")]);
  return new Linked(stage, { picture: panels.dalle2, molecule: panels.alphafold3 }, announce);
});
for (const type of ["pointerover", "focusin"])
  byId("stage").addEventListener(type, () => linked.want().catch(() => {}), { once: true });
keysHelp();
const tabs = new Tabs(byId("below-tabs"));
const side = new PictureSide(panels, stage, tabs, {
  ask: () => ask,
  run,
  record: showRecording,
  redraw: drawChart,
});
const molecules = new MoleculeSide(panels, stage, tabs, { redraw: drawChart, record: showRecording });
const ask = new Ask({
  run,
  stop: () => Object.values(runners).forEach((runner) => runner.stop()),
  // Two models can be compared at a time: pictures or molecules.
  moded: (mode) => {
    if (mode === "compare") ask.setMoleculeMode("alone");
    side.setMode(mode);
  },
  twinned: (on) => {
    if (on && ask.picture.mode === "compare") ask.picture.setMode("caption");
    molecules.setTwins(on);
  },
  say: announce,
  dropped: async (files, asPicture) => {
    if (!gone("open") && !followedCode) (await opener.want()).open(files, asPicture);
    else if (asPicture) asPicture(files[0]);
  },
});
const link = readLink(followedCode ? "" : location.search);
/** Where a link wants the player to stop when its runs have come. */
let stopAt = 1;
/** Whether the link asks for a drop of dye that has not been stirred yet. */
let drops = link.dye !== undefined;
/** @type {import("./net.js").PipelineInfo[]} */
let offered = [];
/** Whether a link has taken a control away. @param {string} part */
const gone = (part) => link.hide?.split(",").includes(part) ?? false;

/** @type {Record<string, Runner>} */
const runners = Object.fromEntries(
  Object.values(panels).map((panel) => [
    panel.id,
    new Runner(panel.id, {
      attach: (live) => {
        const before = panel.run;
        panel.attach(live);
        if (!branching.attached(panel, live, before)) stage.player.seek(0);
        stage.player.follow(stopAt);
        stage.refresh();
        ask.setRunning(true);
        trouble("");
      },
      event: (name, live) => {
        if (live && live !== panel.run) branching.beside(panel, name);
        else if (live && name === "start") {
          panel.started();
          stage.refresh();
        } else if (live) stage.arrived();
        if (name === "done" && live === panel.run) {
          panel.ended();
          branching.finished(panel);
          finished(panel);
          drawChart();
        }
        const busy = Object.values(runners).some((runner) => runner.busy);
        if (!busy && !branching.opening && !drops) stopAt = 1; // the player knows by now; what is started from here on is not the link's
        ask.setRunning(busy);
      },
      complain: (text, field) => {
        if (panel.id === "dye") dye.tell("complain", text);
        else if (panel.id === "alphafold2" && (field !== undefined || text === "")) molecules.refuse(text);
        else if (panel.id !== "alphafold2" || molecules.comparing) ask.complain(panel.id, text, field);
      },
      trouble,
    }),
  ]),
);

const dye = new Late(async () => {
  const { Dye } = await import("./dye.js");
  const go = (input, settings) => runners.dye.go(input, settings);
  return new Dye({ panel: panels.dye, stage, go, branch: () => branching.press([panels.dye]) });
});
// A press before its module has come is kept until then.
for (const [id, act] of [["dye-run", "stir"], ["dye-forward", "forward"], ["dye-reverse", "reverse"]])
  byId(id).addEventListener("click", () => dye.tell(act));
const keyFrames = new Late(async () => {
  const { KeyFrames } = await import("./keyframes.js");
  const rows = [panels.dalle2, panels.alphafold3].map((panel) => new KeyFrames(panel, (u) => stage.seek(u)));
  return { draw: (axis) => rows.forEach((row) => row.draw(axis)) };
});

const branching = new BranchDoor({
  stage,
  panels,
  runners,
  ask,
  announce,
  trouble,
  written: () => followedCode || history.replaceState(null, "", address()),
  redraw: () => drawChart(),
  opened: () => (stopAt = 1),
});

/** Starts live runs of what the form holds. @param {string[]} ids */
function run(ids) {
  stopAt = 1;
  if (start(ids)) history.replaceState(null, "", address(ids));
}

/** @param {string[]} ids @returns {boolean} whether there was anything to start */
function start(ids) {
  const wanted = ids.map((id) => [id, ask.request(id)]);
  for (const [id, request] of wanted) if (request) runners[id].go(request.input, request.settings);
  if (!wanted.some(([, request]) => request)) return false;
  ask.setRunning(true);
  announce(t("live.started"));
  return true;
}

/** @param {string[]} [anew] panels whose branches are over */
function address(anew) {
  const theme = currentTheme() === "light" ? undefined : currentTheme();
  return branching.address(writeLink({ ...form(), hide: link.hide, theme }, location.search), anew);
}

/** What the form and the bar over the molecule hold. */
const form = () => ({ ...ask.state(), view: wishes.style ?? undefined, colour: wishes.colour ?? undefined });

const opener = new Late(async () => {
  const [{ Files }] = await Promise.all([import("./files.js"), words("files"), styled("files")]);
  return new Files({ stage, panels, runners, ask, infos: () => offered, announce });
});
const share = new Late(async () => {
  const [{ Share }, { weightsOf }] = await Promise.all([
    import("./share.js"), import("./weights.js"), words("files"), styled("files"),
  ]);
  const weights = () => weightsOf(offered, ask.pipelines);
  const open = async () => (await opener.want()).choose();
  return new Share({ stage, panels, tabs, ask, form, weights, open, announce });
});

/** The chart, its table and the key frames follow from complete runs. */
async function drawChart() {
  if (still) keyFrames.want().then((rows) => rows.draw(stage.axis));
  molecules.draw();
  if (!stage.panels.some(({ run: shown }) => shown?.done)) return;
  try {
    const { rowsOf, summaryOf, tablesOf } = await import("./settling_words.js");
    const rows = rowsOf(stage.panels);
    if (rows.length === 0) return;
    const curves = await chart.want();
    byId("chart-summary").textContent = summaryOf(rows);
    const seek = (level) => stage.seek(positionOf(stage.axis, level));
    byId("chart-table").replaceChildren(...tablesOf(rows, seek));
    await curves.draw(rows, stage.axis, stage.ticks);
  } catch {
    byId("chart").textContent = t("chart.missing"); // the next complete runs try again
  }
}

byId("chart-frame").addEventListener("pointerdown", (event) => stage.view.seekTo(event.clientX));
byId("copy-link").addEventListener("click", async () => {
  history.replaceState(null, "", address());
  (await share.want()).show();
});
/** Another theme: everything that is drawn on a canvas. */
function restyle() {
  stage.restyle();
  side.map.part?.redraw();
  molecules.near.part?.draw();
  drawChart();
}
// The lab begins with what is asked for here.
byId("to-lab").addEventListener("click", ({ currentTarget }) => {
  const { prompt, molecule, kind, seed, theme } = readLink(address());
  currentTarget.href = localLink(`/lab${writeLink({ prompt, molecule, kind, seed, theme })}`);
});
themeSwitch(() => {
  restyle();
  if (new URLSearchParams(location.search).has("theme")) history.replaceState(null, "", address());
});

/** The recorded runs, as soon as each has come; the first one starts the player. */
async function showRecorded() {
  await Promise.all([panels.dalle2, panels.alphafold3].map(showRecording));
  document.body.dataset.ready = "";
  // The dye drop is below the fold, and 4.8 MB of charts may wait until the pictures move.
  inSight(byId("dye-section"), () => {
    dye.want();
    panels.dye.view.want();
    showRecording(panels.dye);
  });
  (globalThis.requestIdleCallback ?? setTimeout)(drawChart, { timeout: 1500 });
}

/** @param {Panel} panel */
async function showRecording(panel) {
  if (!byId("stage").dataset.recorded.split(" ").includes(panel.id)) return; // there is none of this one
  let trace;
  try {
    trace = await recorded(panel.id);
  } catch {
    return; // it did not come: its panel waits for Run
  }
  if (panel.run) return; // a live run was faster
  panel.attach(Run.fromTrace(trace));
  if (panel.id === "dalle1" || panel.id === "alphafold2") {
    stage.refresh();
    return;
  }
  if (panel.id === "dye") {
    stage.changed();
    return;
  }
  if (link.prompt === undefined && link.molecule === undefined)
    ask.fillFrom(panel.id, trace.input, trace.settings?.seed);
  stage.refresh();
  if (Object.values(runners).some(({ busy }) => busy)) return;
  if (link.u !== undefined) stage.player.seek(stopAt, false);
  else if (still) stage.player.seek(1);
  else if (stage.player.u === 0) stage.player.play();
  announce(t(still ? "live.recorded_still" : "live.recorded"));
  stage.changed();
}

/** Pipelines of which the page has said that they are not there. @type {Set<string>} */
const missing = new Set();

/** Asks what is on offer, until everything that is loading has loaded. */
async function showOffer() {
  let infos;
  try {
    infos = await pipelines();
  } catch {
    trouble(t("error.unreachable"));
    setTimeout(showOffer, 3000);
    return;
  }
  if (byId("trouble").textContent === t("error.unreachable")) trouble("");
  offered = infos;
  ask.offer(infos);
  branching.offer(infos);
  dye.tell("offer", infos.find(({ id }) => id === "dye"));
  let loading = false;
  for (const { id, available, reason } of infos.filter(({ id }) => id in panels)) {
    const soon = !available && /still loading/.test(reason ?? "");
    loading ||= soon;
    const key = soon ? "error.loading" : "error.off";
    // What a run was refused for in the meantime stays: only the offer's own sentence is taken back.
    if (runners[id].busy || (available && !missing.delete(id))) continue;
    if (!available) missing.add(id);
    runners[id].on.complain(available ? "" : t(key, { name: panels[id].name, reason: await said(reason ?? "") }));
  }
  if (loading) {
    setTimeout(showOffer, 1000);
    return;
  }
  await remark?.();
  const forked = followedCode ? [] : await branching.open(location.search);
  const rest = infos.filter(({ id, available }) => available && ask.pipelines.includes(id) && !forked.includes(id));
  if (runsOwn) start(rest.map(({ id }) => id));
  if (!drops) return;
  (await dye.want()).choose(...link.dye.split("."));
  drops = false;
}

/** What a link says beyond the form. @returns {Promise<(() => Promise<void>) | undefined>} says what of it cannot be had */
async function openLink() {
  const bad = followedCode ? [] : badOf(location.search);
  if (Object.keys(link).length + bad.length === 0) return undefined;
  const { complaint, lookAs, otherWeights } = await import("./link_stage.js");
  stopAt = lookAs(link, { stage, panels, tabs }, runsOwn) ?? 1;
  return async () => {
    const said = [await complaint(bad, ask.outside, PARTS)];
    if (otherWeights(link.v, offered, ask.pipelines)) {
      await words("files");
      said.push(t("link.other_weights"));
    }
    if (said.some(Boolean)) (await import("./notice.js")).notice(said.filter(Boolean));
  };
}

wishes.set({ style: link.view ?? null, colour: link.colour ?? null });
// Only an address that holds a state already is kept up to date; else the link button writes it.
wishes.listeners.push(() => location.search && history.replaceState(null, "", address()));
ask.fill(link);
/** Whether the link asks for runs of its own. */
const runsOwn = link.prompt !== undefined || link.molecule !== undefined;
const remark = await openLink();
stage.changed();
const lessons = new LessonDoor({ stage, panels, runners, ask, side, announce, follower: followedCode !== "" });
await roomDoor({ stage, panels, runners, ask, trouble, announce, restyle, lessons });
if (!followedCode) lessons.openFrom(location.search);
await Promise.all([showRecorded(), showOffer()]);
