/** A request goes back into the form: caption or pictures, molecule, seed, sliders, the published sampler. */

/**
 * @param {import("./ask.js").Ask} ask @param {string} id pipeline @param {any} input @param {Record<string, any>} settings
 * @param {string} name of the file that it came in, for the pictures inside
 * @param {import("./net.js").PipelineInfo | undefined} info
 * @returns {string[]} settings that are not the usual ones and have no place in the form
 */
export function fillForm(ask, id, input, settings, name, info) {
  if (id === "dalle1") ask.prompt.value = input.prompt ?? "";
  else ask.fillFrom(id === "alphafold2" ? "alphafold3" : id, input);
  if (id === "dalle2") holdPictures(ask.picture, input, name);
  if (settings.seed !== undefined) ask.seed.value = String(settings.seed);
  const sliders = ask.sliders[id] ?? {};
  const published = id === "alphafold3" && ask.published && holds(settings, ask.published.settings);
  if (id === "alphafold3" && ask.published) {
    ask.published.box.checked = published;
    ask.published.box.dispatchEvent(new Event("input"));
  }
  for (const [key, slider] of Object.entries(sliders)) {
    if (settings[key] === undefined || (published && key in ask.published.settings)) continue;
    slider.max = String(Math.max(Number(slider.max), settings[key]));
    slider.value = String(settings[key]);
    slider.dispatchEvent(new Event("input"));
  }
  const inForm = new Set(["seed", ...Object.keys(sliders), ...(published ? Object.keys(ask.published.settings) : [])]);
  const flat = Object.entries(settings).flatMap(([key, value]) =>
    key === "schedule" ? Object.entries(value).map(([part, v]) => [`schedule.${part}`, v, key]) : [[key, value, key]],
  );
  const left = flat.filter(
    ([key, value, top]) => !inForm.has(top) && JSON.stringify(value) !== JSON.stringify(info?.settings[key]?.default),
  );
  return info ? [...new Set(left.map(([, , top]) => top))] : [];
}

/** Whether `some` stand in `all`. @param {Record<string, any>} all @param {Record<string, any>} some */
function holds(all, some) {
  return Object.entries(some).every(([key, value]) => {
    const held = all?.[key];
    return typeof value === "object" && value !== null ? holds(held, value) : held === value;
  });
}

/** Pictures that an input holds as arrays. */
function holdPictures(field, input, name) {
  const ends = {
    from: input.variation_of ?? input.interpolate?.from ?? input.diff?.of,
    to: input.interpolate?.to,
  };
  for (const [which, end] of Object.entries(ends))
    if (end?.image) field.hold(which, { ref: { image: end.image }, name, image: end.image });
}
