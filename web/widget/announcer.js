/** Tells a screen reader, once and politely, what a sighted customer sees arrive. */

import { element } from "./dom.js";

const KEPT = 6;

export class Announcer {
  node = element("div", { class: "unseen", "aria-live": "polite", "aria-relevant": "additions" });

  say(text, language = null) {
    this.node.append(element("p", { lang: language }, text));
    while (this.node.childElementCount > KEPT) this.node.firstElementChild.remove();
  }
}
