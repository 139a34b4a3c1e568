/** Lesson 6: AlphaFold 2's frames and torsions beside AlphaFold 3's raw coordinates. */

import { moleculeDifference, otherSeed } from "./lesson_numbers.js";
import { number } from "./text.js";

const FOLDERS = ["alphafold3", "alphafold2"];

/** @type {import("./lesson_list.js").Lesson} */
export const STRUCTURES = {
  id: "alphafold2",
  scene: "structures",
  minutes: 9,
  correct: 4,
  sources: ["af2", "af3"],
  reveal(now) {
    if (!now.refused.alphafold2) {
      const drawn = now.all("alphafold2").findLast(({ input }) => !input.protein && !input.sequences);
      return drawn ? { right: 1, values: { message: "" } } : null;
    }
    return { right: 2, values: { message: now.refused.alphafold2 } };
  },
  steps: [
    { id: "mode", scene: "", here: "#molecule-mode", done: (now) => now.structures },
    { id: "run", here: "#run", done: (now) => FOLDERS.every((id) => now.fresh(id)) },
    { id: "scrub", here: "#track", done: ({ min, max }) => min < 0.1 && max > 0.99 },
    {
      id: "seed",
      here: "#dice",
      done: (now) => FOLDERS.every((id) => otherSeed(now, id)),
      said: (now) => {
        const [three, two] = FOLDERS.map((id) => moleculeDifference(...now.all(id).slice(-2)));
        return three === null || two === null ? null : { three: number(three), two: number(two) };
      },
    },
    { id: "predict", asks: true },
    { id: "ligand", here: "#molecule", reveals: true, done: (now) => now.refused.alphafold2 !== "" },
  ],
};
