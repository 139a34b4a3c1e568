/** The schedule lab: one seed, two schedules, both models. */

import { decode, sampleOf } from "./decode.js";
import { ImageView } from "./image_view.js";
import { Asked } from "./lab_asked.js";
import { ScheduleChart } from "./lab_chart.js";
import { DensityChart } from "./lab_density.js";
import { Result } from "./lab_result.js";
import { SideControls } from "./lab_side.js";
import { settingsOf, sideOf, textOf, usual } from "./lab_state.js";
import { levelsTable, scheduleWords, trainedWords } from "./lab_words.js";
import { readLink, writeLink } from "./link.js";
import { Wishes } from "./molecule_tools.js";
import { MoleculeView } from "./molecule_view.js";
import { pipelines } from "./net.js";
import { after, widestView } from "./orientation.js";
import { Panel } from "./panel.js";
import { Runner } from "./runner.js";
import { Stage } from "./stage.js";
import { superpose } from "./superpose.js";
import { localLink, t } from "./text.js";
import { currentTheme, themeSwitch } from "./theme.js";
import { levelAt, positionOf } from "./timeline.js";
import { trouble, watchScripts } from "./trouble.js";

const byId = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const SIDES = ["a", "b"];

watchScripts();
const announce = (text) => (byId("welcome").textContent = text);

const link = readLink(location.search);
const given = new URLSearchParams(location.search);
const sides = { a: sideOf(given.get("a"), usual().a), b: sideOf(given.get("b"), usual().b) };
/** @type {import("./lab_asked.js").LabModel[]} */
const models = [
  { id: "dalle2", panel: "picture", accent: "picture", field: "prompt", unit: t("lab.unit.picture") },
  { id: "alphafold3", panel: "molecule", accent: "molecule", field: "molecule", unit: "Å" },
].map((model) => ({ ...model, name: t(`lab.model.${model.panel}`), sigmaData: null, info: null }));

const wishes = new Wishes({});
const makeView = (accent) => (places) => (accent === "picture" ? new ImageView(places) : new MoleculeView(places, wishes));
/** @type {Record<string, Panel>} */
const panels = Object.fromEntries(
  models.flatMap(({ panel, accent }) =>
    SIDES.map((which) => `${panel}_${which}`).map((id) => [id, new Panel(byId(id), id, makeView(accent))]),
  ),
);
const stage = new Stage({ panels: Object.values(panels), extra: [] });
stage.setPanels(stage.panels, Object.keys(panels).map((id) => t(`lab.lane.${id}`)));
// An atom that is pointed at in one molecule is marked in the other.
for (const [one, other] of [SIDES, SIDES.toReversed()])
  panels[`molecule_${one}`].view.pointed = (atom) =>
    panels[`molecule_${other}`].view.marks.mark(atom === null ? [] : [atom]);

const seekLevel = (level) => stage.seek(positionOf(stage.axis, level));
const chart = new ScheduleChart(byId("lab-chart"), {
  drawn: (which, points) => change(which, { ...sides[which], kind: "drawn", points }),
  seek: seekLevel,
});
const densities = new DensityChart(byId("lab-density"), seekLevel);
const controls = Object.fromEntries(
  SIDES.map((which) => [which, new SideControls(byId(`lab-${which}`), which, (side) => change(which, side))]),
);
const asked = new Asked(models, link, { changed: () => change(), run: () => run(), trouble });
const result = new Result({
  tasks: async () => {
    await asked.plan();
    const { seed } = asked;
    if (seed === null) return null;
    // What is repeated is what stands in the form now, whatever is changed meanwhile.
    const fixed = structuredClone(sides);
    const task = ({ id, sigmaData, info }) => ({
      id,
      input: asked.input(id),
      settings: (which, one) => settingsOf(fixed[which], sigmaData, one, info.settings),
    });
    return { seed, tasks: asked.ready.map(task) };
  },
  about: () => ({
    address: location.href,
    seed: result.pairs[0].a.settings.seed,
    inputs: Object.fromEntries(result.pairs.map(({ id, a }) => [id, a.input])),
    sides: ran.sides,
    models,
    checkpoints: Object.fromEntries(models.map(({ id, info }) => [id, info?.checkpoints ?? {}])),
  }),
  name: (id) => models.find((model) => model.id === id).name,
});

stage.moved = () => {
  const level = levelAt(stage.axis, stage.player.u);
  for (const part of [chart, densities]) part.head(level === -Infinity ? null : level);
};

/** What was run last. */
let ran = { text: "", sides };
const experiment = () => JSON.stringify([...SIDES.map((which) => textOf(sides[which])), asked.state]);

/** Another schedule, or another input. @param {"a" | "b"} [which] @param {import("./lab_schedules.js").Side} [side] */
function change(which, side) {
  if (which) {
    sides[which] = side;
    complain(which, "");
  }
  draw();
  address();
}

/** Everything about the schedules that needs no run. */
function draw() {
  for (const which of SIDES) controls[which].show(sides[which], models);
  chart.draw(sides, models);
  densities.draw(sides);
  byId("lab-summary").textContent = scheduleWords(sides);
  byId("lab-trained").replaceChildren(
    ...trainedWords(sides, models).map(({ text, outside }) => {
      const line = Object.assign(document.createElement("li"), { textContent: text });
      line.dataset.outside = String(outside);
      return line;
    }),
  );
  levelsTable(byId("lab-levels").tBodies[0], sides, models);
  byId("lab-stale").hidden = ran.text === "" || ran.text === experiment();
}

/** @param {"a" | "b"} which @param {string} text */
function complain(which, text) {
  const box = byId(`lab-${which}-error`);
  box.textContent = text;
  box.hidden = text === "";
}

/** @param {import("./lab_asked.js").LabModel} model @param {"a" | "b"} which */
function runnerOf(model, which) {
  const panel = panels[`${model.panel}_${which}`];
  return new Runner(model.id, {
    attach: (live) => {
      panel.attach(live);
      stage.player.seek(0);
      if (!still) stage.player.follow();
      stage.refresh();
      trouble("");
    },
    event: (name, live) => {
      if (live && name === "start") {
        panel.started();
        stage.refresh();
      } else if (live) stage.arrived();
      if (name === "done") {
        panel.ended();
        compare();
      }
      busy();
    },
    complain: (text, field = "") => (field.startsWith("input") ? asked.complain(model.field, text) : complain(which, text)),
    trouble,
  });
}
/** @type {Record<string, Runner>} by panel */
const runners = Object.fromEntries(
  models.flatMap((model) => SIDES.map((which) => [`${model.panel}_${which}`, runnerOf(model, which)])),
);
const going = () => Object.values(runners).some((runner) => runner.busy);

async function run() {
  await asked.plan();
  const { seed } = asked;
  if (seed === null) return;
  ran = { text: experiment(), sides: structuredClone(sides) };
  result.clear();
  for (const { id, panel, sigmaData, info } of asked.ready)
    for (const which of SIDES)
      runners[`${panel}_${which}`].go(asked.input(id), settingsOf(sides[which], sigmaData, seed, info.settings));
  if (asked.ready.length > 0) announce(t("lab.started"));
  busy();
  change();
}

function busy() {
  byId("run").dataset.state = going() ? "running" : "idle";
  byId("run").querySelector("span").textContent = t(going() ? "run.stop" : "run");
}

/** Numbers of every model whose two runs have ended. */
function compare() {
  const pair = ({ id, panel }) => ({ id, a: panels[`${panel}_a`].run, b: panels[`${panel}_b`].run });
  result.show(models.map(pair).filter(({ a, b }) => a?.done && b?.done));
  face();
  if (going()) return;
  if (still) stage.seek(1);
  if (link.u !== undefined) stage.seek(Number(link.u));
  delete link.u; // the address meant the first runs
  announce(t("lab.finished"));
}

/** Both molecules are seen from the same side. */
function face() {
  const [a, b] = SIDES.map((which) => panels[`molecule_${which}`]);
  if (!a.run?.done || !b.run?.done) return;
  const [one, two] = [a, b].map((panel) => sampleOf(decode(panel.run.done.sample), 2, 0).values);
  if (one.length !== two.length || one.length < 9) return;
  const side = widestView(one);
  a.view.face(side);
  b.view.face(after(superpose(two, one).turn, side));
}

/** The whole experiment in the address, and what of it the stage understands in the way there. @param {string} [u] playhead */
function address(u) {
  const theme = currentTheme() === "light" ? undefined : currentTheme();
  const params = new URLSearchParams(writeLink({ ...asked.state, theme, u }, location.search));
  for (const which of SIDES) params.set(which, textOf(sides[which]));
  history.replaceState(null, "", `?${params}`);
  byId("to-stage").href = localLink(`/${writeLink({ ...asked.state, theme })}`);
}

byId("copy-link").addEventListener("click", async ({ currentTarget: button }) => {
  address(stage.player.u > 0 ? stage.player.u.toFixed(3) : undefined);
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = t("lab.copied");
  } catch {
    button.textContent = t("lab.copy_failed"); // no permission, or a page without https
  }
  setTimeout(() => (button.textContent = t("lab.copy")), 2500);
});
byId("same").addEventListener("click", () => {
  change("b", structuredClone(sides.a));
  announce(t("lab.same.done"));
});
byId("lab-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (going()) for (const runner of Object.values(runners)) runner.stop();
  else run();
});
themeSwitch(() => {
  stage.restyle();
  change();
});
draw();
document.body.dataset.ready = "";

/** Asks what is on offer, until everything that is loading has loaded; then the experiment of the address runs. */
async function offer() {
  let infos;
  try {
    infos = await pipelines();
  } catch {
    trouble(t("error.unreachable"));
    setTimeout(offer, 3000);
    return;
  }
  if (byId("trouble").textContent === t("error.unreachable")) trouble("");
  let loading = false;
  for (const model of models) {
    model.info = infos.find(({ id }) => id === model.id) ?? null;
    const { available = false, reason = "" } = model.info ?? {};
    const soon = !available && /still loading/.test(reason);
    loading ||= soon;
    asked.complain(model.field, available ? "" : t(soon ? "error.loading" : "error.off", { name: model.name, reason }));
  }
  if (loading) {
    setTimeout(offer, 1000);
    return;
  }
  asked.offer();
  await run();
}
await offer();
