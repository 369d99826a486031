/**
 * The little markup that an answer may hold: paragraphs, lists, bold, citation markers. Everything else, links and
 * images above all, stays the text it is.
 */

import { element } from "./dom.js";

const BULLET = /^\s*[-*•]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,3})[.)]\s+(.*)$/;
const INLINE = /\*\*(\S(?:.*?\S)?)\*\*|\[(\d{1,3})\]/gs;
/** A marker or a bold passage whose end has not arrived yet. */
const OPEN_MARKER = /\s?\[\d{0,3}$/;

/**
 * @typedef {object} Block
 * @property {"p" | "ul" | "ol"} tag
 * @property {number} start the first number of an `ol`
 * @property {string[]} items the lines of a paragraph joined, or a list's items
 */

/** @returns {Block[]} */
export function parseBlocks(text) {
  const blocks = [];
  let current = null;
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === "") {
      // An empty line ends a paragraph, and leaves a list open: items are often set apart by one.
      if (current?.tag === "p") current = null;
      continue;
    }
    const { tag, start, content } = readLine(line);
    const continues = tag === "p" && (current?.tag === "p" || /^\s/.test(line));
    if (current !== null && continues) current.items.push(`${current.items.pop()}\n${content}`);
    else if (current?.tag === tag) current.items.push(content);
    else blocks.push((current = { tag, start, items: [content] }));
  }
  return blocks;
}

function readLine(line) {
  const bullet = BULLET.exec(line);
  if (bullet !== null) return { tag: "ul", start: 1, content: bullet[1] };
  const number = NUMBER.exec(line);
  if (number !== null) return { tag: "ol", start: Number(number[1]), content: number[2] };
  return { tag: "p", start: 1, content: line.trim() };
}

/** Shows a text that may still grow. Blocks that did not change keep their nodes, and with them a selection. */
export class RichText {
  node = element("div", { class: "text" });
  #shown = [];
  #marker;

  /** @param {(number: number) => Node | null} marker what stands for `[number]`; null leaves it as text */
  constructor(marker) {
    this.#marker = marker;
  }

  /** @param {unknown} version other than last time: every block is made anew */
  render(text, { isGrowing, version }) {
    const blocks = parseBlocks(isGrowing ? closeOpenMarkup(text) : text);
    const shown = blocks.map((block, index) => {
      const source = JSON.stringify([version, block]);
      const before = this.#shown[index];
      return before?.source === source ? before : { source, node: this.#block(block) };
    });
    this.#replace(shown);
  }

  #replace(shown) {
    const kept = shown.findIndex((each, index) => each !== this.#shown[index]);
    if (kept < 0 && shown.length === this.#shown.length) return;
    const from = kept < 0 ? shown.length : kept;
    for (const { node } of this.#shown.slice(from)) node.remove();
    this.node.append(...shown.slice(from).map(({ node }) => node));
    this.#shown = shown;
  }

  #block({ tag, start, items }) {
    if (tag === "p") return element("p", { dir: "auto" }, ...this.#inline(items[0]));
    const list = items.map((item) => element("li", {}, ...this.#inline(item)));
    return element(tag, { dir: "auto", start: tag === "ol" && start !== 1 ? start : null }, ...list);
  }

  #inline(text) {
    const nodes = [];
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      nodes.push(...lines(text.slice(at, match.index)));
      nodes.push(...(match[1] !== undefined ? [this.#bold(match[1])] : this.#citation(match)));
      at = match.index + match[0].length;
    }
    return [...nodes, ...lines(text.slice(at))];
  }

  #bold(text) {
    return element("strong", {}, ...this.#inline(text));
  }

  #citation(match) {
    return [this.#marker(Number(match[2])) ?? match[0]];
  }
}

function lines(text) {
  return text.split("\n").flatMap((line, index) => (index === 0 ? [line] : [element("br"), line]));
}

/** Leaves out what may still become markup, and ends a bold passage that has begun. */
function closeOpenMarkup(text) {
  const whole = text.replace(OPEN_MARKER, "").replace(/\*{1,2}$/, "");
  const isBoldOpen = whole.split("\n").at(-1).split("**").length % 2 === 0;
  return isBoldOpen ? `${whole.trimEnd()}**` : whole;
}
