/** Puts the stage together: recorded runs first, live ones on request. */

import { Ask } from "./ask.js";
import { Chart } from "./chart.js";
import { Dye } from "./dye.js";
import { ImageView } from "./image_view.js";
import { KeyFrames } from "./keyframes.js";
import { LessonDoor } from "./lesson_door.js";
import { readLink, writeLink } from "./link.js";
import { MoleculeSide } from "./molecule_side.js";
import { Wishes } from "./molecule_tools.js";
import { MoleculeView } from "./molecule_view.js";
import { pipelines, recorded } from "./net.js";
import { Panel } from "./panel.js";
import { ParticlesView } from "./particles_view.js";
import { PictureSide } from "./picture_side.js";
import { followedCode, startRoom } from "./room.js";
import { Run } from "./run.js";
import { Runner } from "./runner.js";
import { summaryOf, tablesOf } from "./settling_words.js";
import { Stage } from "./stage.js";
import { Tabs } from "./tabs.js";
import { currentTheme, themeSwitch } from "./theme.js";
import { t, translate } from "./text.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A sentence above the stage, with a way out. @param {string} text "" takes it back @param {boolean} [reload] */
function trouble(text, reload = false) {
  const box = byId("trouble");
  box.textContent = text;
  box.hidden = text === "";
  if (!reload) return;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: t("reload") });
  button.addEventListener("click", () => location.reload());
  box.append(button);
}
addEventListener("error", (event) => event.error && trouble(t("error.script"), true));
addEventListener("unhandledrejection", () => trouble(t("error.script"), true));

const announce = (text) => (byId("welcome").textContent = text);

translate();
const wishes = new Wishes({});
const panels = {
  dalle2: new Panel(byId("dalle2"), "dalle2", (places) => new ImageView(places)),
  alphafold3: new Panel(byId("alphafold3"), "alphafold3", (places) => new MoleculeView(places, wishes)),
  alphafold2: new Panel(byId("alphafold2"), "alphafold2", (places) => new MoleculeView(places, wishes, true)),
  dalle1: new Panel(byId("dalle1"), "dalle1", (places) => new ImageView(places)),
  dye: new Panel(byId("dye-section"), "dye", (places) => new ParticlesView(places)),
};
const chart = new Chart(byId("chart"), byId("chart-frame"));
const stage = new Stage({ panels: [panels.dalle2, panels.alphafold3], extra: [panels.dye] });
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
});
const link = readLink(followedCode ? "" : location.search);

/** @type {Record<string, Runner>} */
const runners = Object.fromEntries(
  Object.values(panels).map((panel) => [
    panel.id,
    new Runner(panel.id, {
      attach: (live) => {
        panel.attach(live);
        stage.player.seek(0);
        stage.player.follow();
        stage.refresh();
        ask.setRunning(true);
        trouble("");
      },
      event: (name, live) => {
        if (live && name === "start") {
          panel.started();
          stage.refresh();
        } else if (live) stage.arrived();
        if (name === "done") {
          panel.ended();
          announce(t("live.finished", { name: panel.name }));
          drawChart();
        }
        ask.setRunning(Object.values(runners).some(({ busy }) => busy));
      },
      complain: (text, field) => {
        if (panel.id === "dye") dye.complain(text);
        else if (panel.id === "alphafold2" && (field !== undefined || text === "")) molecules.refuse(text);
        else if (panel.id !== "alphafold2" || molecules.comparing) ask.complain(panel.id, text, field);
      },
      trouble,
    }),
  ]),
);

const dye = new Dye({
  panel: panels.dye,
  stage,
  go: (input, settings) => runners.dye.go(input, settings),
});
const keyFrames = (still ? [panels.dalle2, panels.alphafold3] : []).map(
  (panel) => new KeyFrames(panel, (u) => stage.seek(u)),
);

/** Starts live runs of what the form holds. @param {string[]} ids */
function run(ids) {
  const wanted = ids.map((id) => [id, ask.request(id)]);
  for (const [id, request] of wanted) if (request) runners[id].go(request.input, request.settings);
  if (!wanted.some(([, request]) => request)) return;
  ask.setRunning(true);
  announce(t("live.started"));
  history.replaceState(null, "", address());
}

function address() {
  const theme = currentTheme() === "light" ? undefined : currentTheme();
  const look = { view: wishes.style ?? undefined, colour: wishes.colour ?? undefined };
  return writeLink({ ...ask.state(), ...look, theme }, location.search);
}

/** The chart, its table and the key frames follow from complete runs. */
function drawChart() {
  for (const row of keyFrames) row.draw(stage.axis);
  molecules.draw();
  const rows = stage.panels
    .filter(({ run: shown, root }) => root.dataset.accent && shown?.done?.settling?.bands?.length && !shown.stepwise)
    .map(({ name, root, run: shown }) => ({ name, accent: root.dataset.accent, settling: shown.done.settling }));
  if (rows.length === 0) return;
  byId("chart-summary").textContent = summaryOf(rows);
  byId("chart-table").replaceChildren(...tablesOf(rows));
  chart.draw(rows, stage.axis, stage.ticks).catch(() => {
    byId("chart").textContent = t("chart.missing");
  });
}

byId("chart-frame").addEventListener("pointerdown", (event) => stage.view.seekTo(event.clientX));
byId("copy-link").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  history.replaceState(null, "", address());
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = t(ask.holdsPicture ? "tools.copied_without" : "tools.copied");
  } catch {
    button.textContent = t("tools.copy_failed"); // no permission, or a page without https
  }
  setTimeout(() => (button.textContent = t("tools.copy")), 2500);
});
/** Another theme: everything that is drawn on a canvas. */
function restyle() {
  stage.restyle();
  side.map.redraw();
  molecules.near.draw();
  drawChart();
}
themeSwitch(() => {
  restyle();
  if (new URLSearchParams(location.search).has("theme")) history.replaceState(null, "", address());
});

/** The recorded runs, as soon as each has come; the first one starts the player. */
async function showRecorded() {
  await Promise.all([panels.dalle2, panels.alphafold3].map(showRecording));
  document.body.dataset.ready = "";
  // The dye drop is below the fold, and 4.8 MB of charts may wait until the pictures move.
  showRecording(panels.dye);
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
  if (still) stage.player.seek(1);
  else if (stage.player.u === 0) stage.player.play();
  announce(t(still ? "live.recorded_still" : "live.recorded"));
  stage.changed();
}

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
  ask.offer(infos);
  dye.offer(infos.find(({ id }) => id === "dye"));
  let loading = false;
  for (const { id, available, reason } of infos.filter(({ id }) => id in panels)) {
    const soon = !available && /still loading/.test(reason ?? "");
    loading ||= soon;
    const key = soon ? "error.loading" : "error.off";
    if (!runners[id].busy) runners[id].on.complain(available ? "" : t(key, { name: panels[id].name, reason }));
  }
  if (loading) setTimeout(showOffer, 1000);
  else if (link.prompt !== undefined || link.molecule !== undefined)
    run(infos.filter(({ id, available }) => available && ask.pipelines.includes(id)).map(({ id }) => id));
}

wishes.set({ style: link.view ?? null, colour: link.colour ?? null });
// Only an address that holds a state already is kept up to date; else the link button writes it.
wishes.listeners.push(() => location.search && history.replaceState(null, "", address()));
ask.fill(link);
stage.changed();
const lessons = new LessonDoor({ stage, panels, runners, ask, side, announce, follower: followedCode !== "" });
startRoom({ stage, panels, runners, ask, trouble, announce, restyle, lessons });
if (!followedCode) lessons.openFrom(location.search);
await Promise.all([showRecorded(), showOffer()]);
