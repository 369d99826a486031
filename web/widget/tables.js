/** Tables as GitHub Flavored Markdown writes them: a row of heads, a row of dashes, rows of cells. */

import { element } from "./dom.js";

const DASHES = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const ROW = /^\s*\|/;
const SIDES = { ":-": "start", "-:": "end", ":-:": "center" };

/** @returns {{heads: string[], sides: (string | null)[], rows: string[][], length: number} | null} `length`: its lines */
export function readTable(lines, at) {
  const [head, dashes] = [lines[at], lines[at + 1] ?? ""];
  if (!head.includes("|") || !dashes.includes("|") || !DASHES.test(dashes)) return null;
  const [heads, marks] = [cells(head), cells(dashes)];
  if (heads.length !== marks.length) return null;
  const after = lines.slice(at + 2);
  const end = after.findIndex((line) => !line.includes("|"));
  const rows = (end < 0 ? after : after.slice(0, end)).map(cells);
  const sides = marks.map((mark) => SIDES[mark.replace(/-+/, "-")] ?? null);
  return { heads, sides, rows, length: rows.length + 2 };
}

/** @param {(text: string) => (Node | string)[]} inline what may stand in a cell */
export function tableNode({ heads, sides, rows }, inline) {
  const row = (tag, texts) =>
    element("tr", {}, ...texts.map((text, n) => element(tag, { "data-side": sides[n] }, ...inline(text))));
  const body = element("tbody", {}, ...rows.map((texts) => row("td", texts)));
  const table = element("table", {}, element("thead", {}, row("th", heads)), body);
  // What is wider than the message is scrolled, also by key.
  return element("div", { class: "table", dir: "auto", tabindex: 0 }, table);
}

/** Leaves out rows at the end of a growing text of which nobody can tell whether they become a table. */
export function withoutOpenTable(text) {
  const lines = text.split("\n");
  const whole = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  let from = whole;
  while (from > 0 && ROW.test(lines[from - 1])) from -= 1;
  const isOpen = from < whole && lines.length - 1 - from < 2;
  return isOpen ? lines.slice(0, from).join("\n") : text;
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
