/** Tabs as the WAI-ARIA pattern has them: arrows move, the chosen panel shows, the rest is hidden. */

export class Tabs {
  /** @param {HTMLElement} list of role tablist; each tab controls a panel */
  constructor(list) {
    /** @type {((id: string) => void)[]} called with the tab that was opened */
    this.opened = [];
    this.tabs = [...list.querySelectorAll('[role="tab"]')];
    for (const tab of this.tabs) tab.addEventListener("click", () => this.show(tab.dataset.tab));
    list.addEventListener("keydown", (event) => {
      const open = this.tabs.filter(({ hidden }) => !hidden);
      const at = open.indexOf(event.target);
      const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: open.length - 1 }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      const tab = open[(to + open.length) % open.length];
      this.show(tab.dataset.tab);
      tab.focus();
    });
    this.show(this.tabs[0].dataset.tab);
  }

  /** @param {string} id */
  show(id) {
    this.current = id;
    for (const tab of this.tabs) {
      const chosen = tab.dataset.tab === id;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
    }
    for (const opened of this.opened) opened(id);
  }

  /** Takes a tab away or brings it back. @param {string} id @param {boolean} available */
  offer(id, available) {
    this.tabs.find(({ dataset }) => dataset.tab === id).hidden = !available;
    if (!available && this.current === id) this.show(this.tabs[0].dataset.tab);
  }
}
