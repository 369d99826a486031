/**
 * The little markup that an answer may hold: paragraphs, headings, lists, tables, bold, code, citation markers.
 * Everything else, links and images above all, stays the text it is.
 */

import { element } from "./dom.js";
import { readTable, tableNode, withoutOpenTable } from "./tables.js";

const BULLET = /^\s*[-*•]\s+(.*)$/;
const NUMBER = /^\s*(\d{1,3})[.)]\s+(.*)$/;
const HEADING = /^\s{0,3}#{1,6}\s+(.*?\S)(?:\s+#+)?\s*$/;
const INLINE = /\*\*(\S(?:.*?\S)?)\*\*|\[(\d{1,3})\]|`([^`\n]+)`/gs;
/** A marker or a bold passage whose end has not arrived yet. */
const OPEN_MARKER = /\s?\[\d{0,3}$/;
const OPEN_HEADING = /(^|\n)\s{0,3}#{1,6}\s*$/;

/**
 * @typedef {object} Block
 * @property {"p" | "h3" | "ul" | "ol" | "table"} tag
 * @property {number} start the first number of an `ol`
 * @property {string[]} items the lines of a paragraph joined, a heading's words, or a list's items
 * @property {object} [table] see `tables.js`
 */

/** @returns {Block[]} */
export function parseBlocks(text) {
  const blocks = [];
  let current = null;
  const all = text.split(/\r?\n/);
  for (let at = 0; at < all.length; at += 1) {
    const line = all[at];
    const table = readTable(all, at);
    if (table !== null) {
      blocks.push((current = { tag: "table", start: 1, items: [], table }));
      at += table.length - 1;
      continue;
    }
    if (line.trim() === "") {
      // An empty line ends a paragraph, and leaves a list open: items are often set apart by one.
      if (current?.tag === "p") current = null;
      continue;
    }
    const { tag, start, content } = readLine(line);
    const isIndented = ["ul", "ol"].includes(current?.tag) && /^\s/.test(line);
    const continues = tag === "p" && (current?.tag === "p" || isIndented);
    if (current !== null && continues) current.items.push(`${current.items.pop()}\n${content}`);
    else if (current?.tag === tag && tag !== "h3") current.items.push(content);
    else blocks.push((current = { tag, start, items: [content] }));
  }
  return blocks;
}

function readLine(line) {
  const bullet = BULLET.exec(line);
  if (bullet !== null) return { tag: "ul", start: 1, content: bullet[1] };
  const number = NUMBER.exec(line);
  if (number !== null) return { tag: "ol", start: Number(number[1]), content: number[2] };
  const heading = HEADING.exec(line);
  if (heading !== null) return { tag: "h3", start: 1, content: heading[1] };
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

  #block({ tag, start, items, table }) {
    if (tag === "table") return tableNode(table, (text) => this.#inline(text));
    if (tag === "p" || tag === "h3") return element(tag, { dir: "auto" }, ...this.#inline(items[0]));
    const list = items.map((item) => element("li", {}, ...this.#inline(item)));
    return element(tag, { dir: "auto", start: tag === "ol" && start !== 1 ? start : null }, ...list);
  }

  #inline(text) {
    const nodes = [];
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
      nodes.push(...lines(text.slice(at, match.index)));
      nodes.push(this.#marked(match));
      at = match.index + match[0].length;
    }
    return [...nodes, ...lines(text.slice(at))];
  }

  #marked([whole, bold, number, code]) {
    if (bold !== undefined) return element("strong", {}, ...this.#inline(bold));
    if (code !== undefined) return element("code", {}, code);
    return this.#marker(Number(number)) ?? whole;
  }
}

function lines(text) {
  return text.split("\n").flatMap((line, index) => (index === 0 ? [line] : [element("br"), line]));
}

/** Leaves out what may still become markup, and ends bold words or code that have begun. */
function closeOpenMarkup(text) {
  const known = withoutOpenTable(text).replace(OPEN_HEADING, "$1");
  const whole = known.replace(OPEN_MARKER, "").replace(/\*{1,2}$|`$/, "");
  const line = whole.split("\n").at(-1);
  if (line.split("`").length % 2 === 0) return `${whole}\``;
  return line.split("**").length % 2 === 0 ? `${whole.trimEnd()}**` : whole;
}
