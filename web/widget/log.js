/** The messages in order, kept at their end while the reader is there. */

import { element, hidden } from "./dom.js";
import { icon } from "./icons.js";
import { messageView } from "./message.js";

const AT_END_PX = 60;

export class Log {
  node;
  #list;
  #jump;
  #views = new Map();
  #context;
  #isAtEnd = true;

  /** @param {import("./message.js").Context} context */
  constructor(context) {
    this.#context = context;
    const { say } = context;
    // Words that arrive piece by piece must not be read piece by piece. So the log itself stays silent, and a polite
    // region beside it (`Announcer`) gets every message once, when it is whole.
    const spoken = { role: "log", "aria-live": "off", "aria-label": say("conversation") };
    this.#list = element("div", { class: "log", tabindex: 0, ...spoken, on: { scroll: () => this.#scrolled() } });
    const jumpTo = { class: "jump", type: "button", hidden: true, on: { click: () => this.toEnd() } };
    this.#jump = element("button", jumpTo, icon("down"), hidden(say("newest")));
    this.node = element("div", { class: "log-frame" }, this.#list, this.#jump);
    new ResizeObserver(() => this.#stayAtEnd()).observe(this.#list);
  }

  /** Shows the entries, of which `changed` are other than last time. `tail` stands below them. */
  render(entries, changed, tail) {
    const nodes = entries.map((entry) => this.#view(entry, changed).node);
    const present = new Set(entries);
    for (const [entry, view] of this.#views) {
      if (present.has(entry)) continue;
      view.node.remove();
      this.#views.delete(entry);
    }
    this.#place([...nodes, tail]);
    this.#stayAtEnd();
  }

  toEnd() {
    this.#isAtEnd = true;
    this.#stayAtEnd();
    this.#list.focus({ preventScroll: true });
  }

  /** The customer wrote something: they want to see it, wherever they were reading. */
  follow() {
    this.#isAtEnd = true;
  }

  /** Closes what is open in the message that has the focus. */
  escape(target) {
    const view = [...this.#views.values()].find(({ node }) => node.contains(target));
    return view?.escape?.() ?? false;
  }

  #view(entry, changed) {
    const known = this.#views.get(entry);
    const view = known ?? messageView(entry, this.#context);
    if (known === undefined) this.#views.set(entry, view);
    if (known === undefined || changed.has(entry)) view.update();
    return view;
  }

  /** Moves only what stands in the wrong place: a node that is moved loses its focus. */
  #place(nodes) {
    nodes.forEach((node, index) => {
      const there = this.#list.children[index] ?? null;
      if (there !== node) this.#list.insertBefore(node, there);
    });
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    this.#jump.hidden = this.#isAtEnd;
  }

  #stayAtEnd() {
    if (this.#isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
    this.#scrolled();
  }
}
