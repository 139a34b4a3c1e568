/** Parts of the page that are fetched when they are first wanted: they cost the first load nothing. */

/**
 * Something whose module comes later. What it is told before is kept, the last of each kind, and told when
 * it has come; so whoever tells it need not know whether it is there.
 * @template {object} T
 */
export class Late {
  /** @param {() => Promise<T>} fetch makes it; called once, again only after it has failed */
  constructor(fetch) {
    this.fetch = fetch;
    /** @type {T | null} null until it has come */
    this.part = null;
    /** @type {Map<string, any[]>} values by method, in the order in which the methods were first told */
    this.told = new Map();
  }

  /** @returns {Promise<T>} @throws what the fetch throws; it can be wanted again then */
  want() {
    this.coming ??= this.#come();
    return this.coming;
  }

  async #come() {
    try {
      const part = await this.fetch();
      for (const [method, values] of this.told) part[method](...values);
      this.told.clear();
      this.part = part;
      return part;
    } catch (error) {
      this.coming = undefined;
      throw error;
    }
  }

  /** @param {string} method @param {...any} values */
  tell(method, ...values) {
    if (this.part) this.part[method](...values);
    else this.told.set(method, values);
  }
}

/** A panel's view whose module comes later; see panel.js for what it is told. */
export class LateView extends Late {
  start(run) {
    this.tell("start", run);
  }

  show(shown) {
    this.tell("show", shown);
  }

  glide(level) {
    this.tell("glide", level);
  }

  restyle() {
    this.tell("restyle");
  }
}

/** Calls once, when an element is in sight or nearly so. @param {Element} element @param {() => void} act */
export function inSight(element, act) {
  const watcher = new IntersectionObserver(
    (seen) => {
      if (!seen.some(({ isIntersecting }) => isIntersecting)) return;
      watcher.disconnect();
      act();
    },
    { rootMargin: "200px" },
  );
  watcher.observe(element);
}

/** @type {Map<string, Promise<void>>} */
const sheets = new Map();

/** One of our style sheets, unless the page came with it; a sheet that does not come stops nothing. @param {string} name @returns {Promise<void>} */
export function styled(name) {
  const href = `/static/css/${name}.css`;
  if (!sheets.has(name) && !document.querySelector(`link[href="${href}"]`)) {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
    const coming = new Promise((ready) => (link.onload = link.onerror = () => ready()));
    sheets.set(name, coming);
    document.head.append(link);
  }
  return sheets.get(name) ?? Promise.resolve();
}
