/** Sources of an answer: markers in the text and a list below it, both opening the quoted passage. */

import { element, hidden } from "./dom.js";
import { icon } from "./icons.js";

let passages = 0;

export class Sources {
  /** The list of sources and the opened passage, to stand below the text. */
  node = element("div", { class: "sources", hidden: true });
  #say;
  #articles;
  #citations = new Map();
  #openNumber = null;
  #opener = null;
  #passageId = `passage-${(passages += 1)}`;
  #list = element("ul", {});
  #slot = element("div", {});
  #isFinal = false;
  #text;

  /**
   * @param {Node} text where the markers stand
   * @param {(key: string, values?: object) => string} say
   * @param {string} articles the address below which articles may be linked
   */
  constructor(text, say, articles) {
    this.#text = text;
    this.#say = say;
    this.#articles = articles;
    const heading = element("span", { class: "sources-title", "aria-hidden": "true" }, say("sources"));
    this.#list.setAttribute("aria-label", say("sources"));
    // The passage comes after what opens it: the chip stays where it was, and Tab leads on into the passage.
    this.node.append(element("div", { class: "sources-row" }, heading, this.#list), this.#slot);
  }

  /** @returns {string} changes when markers have to be made anew */
  get version() {
    return this.#isFinal ? [...this.#citations.keys()].join() : "open";
  }

  set(citations, isFinal) {
    this.#isFinal = isFinal;
    this.#citations = new Map(citations.map((citation, index) => [citation.marker ?? index + 1, citation]));
    this.node.hidden = this.#citations.size === 0;
    const items = [...this.#citations].map(([number, citation]) => element("li", {}, this.#chip(number, citation)));
    this.#list.replaceChildren(...items);
  }

  /** While the text grows nobody knows its sources yet: a marker without a button holds the place. */
  marker(number) {
    const citation = this.#citations.get(number);
    if (citation !== undefined) return this.#button("marker", number, citation, ...bracketed(number));
    return this.#isFinal ? null : element("span", { class: "marker" }, ...bracketed(number));
  }

  /** @returns {boolean} whether a passage was open */
  close() {
    if (this.#openNumber === null) return false;
    const opener = this.#opener;
    this.#show(null, null);
    opener?.focus();
    return true;
  }

  #chip(number, { title }) {
    const label = element("bdi", {}, title);
    return this.#button("chip", number, { title }, numberBadge(number), label);
  }

  #button(className, number, { title }, ...children) {
    return element(
      "button",
      {
        class: className,
        type: "button",
        "aria-label": this.#say("source", { number, title }),
        "aria-expanded": String(this.#openNumber === number),
        "aria-controls": this.#passageId,
        "data-source": number,
        on: { click: (event) => this.#toggle(number, event.currentTarget) },
      },
      ...children,
    );
  }

  #toggle(number, opener) {
    if (this.#openNumber === number) this.#show(null, null);
    else this.#show(number, opener);
  }

  #show(number, opener) {
    this.#openNumber = number;
    this.#opener = opener;
    const citation = this.#citations.get(number);
    this.#slot.replaceChildren(...(citation === undefined ? [] : [this.#passage(number, citation)]));
    for (const button of this.#buttons()) {
      button.setAttribute("aria-expanded", String(Number(button.dataset.source) === number));
    }
    this.#slot.firstElementChild?.scrollIntoView({ block: "nearest" });
  }

  #buttons() {
    return [...this.#text.querySelectorAll("button.marker"), ...this.#list.querySelectorAll("button")];
  }

  #passage(number, citation) {
    const close = element(
      "button",
      { class: "icon-button small", type: "button", on: { click: () => this.close() } },
      icon("close"),
      hidden(this.#say("passage_close")),
    );
    const title = element("cite", { dir: "auto" }, citation.title);
    return element(
      "section",
      { class: "passage", id: this.#passageId, "aria-label": this.#say("passage", { title: citation.title }) },
      element("header", {}, numberBadge(number), title, close),
      element("blockquote", { dir: "auto" }, citation.quote),
      this.#link(citation.url),
    );
  }

  /** Only to the bank's published articles: a link is a promise of the bank. */
  #link(url) {
    if (!url || !URL.canParse(url, this.#articles)) return null;
    const target = new URL(url, this.#articles);
    if (!target.href.startsWith(this.#articles)) return null;
    const attributes = { href: target.href, target: "_blank", rel: "noopener noreferrer" };
    return element("a", attributes, this.#say("read_article"));
  }
}

/** The brackets are not seen, but copied: what is on the clipboard is what was written. */
function bracketed(number) {
  const bracket = (text) => element("span", { class: "bracket" }, text);
  return [bracket("["), String(number), bracket("]")];
}

function numberBadge(number) {
  return element("span", { class: "number" }, String(number));
}
