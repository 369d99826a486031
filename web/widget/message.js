/** One entry of the transcript on screen. */

import { element, hidden, setAttributes, setText } from "./dom.js";
import { icon } from "./icons.js";
import { RichText } from "./markdown.js";
import { Sources } from "./passage.js";
import { localTime } from "./times.js";

const NOT_FOR_FEEDBACK = new Set(["held", "escalated", "blocked", "failed"]);
/** Problems of the text itself: sending the same again is of no use. */
const TEXT_IS_REFUSED = new Set([400, 413, 422]);

/**
 * @typedef {object} Context
 * @property {(key: string, values?: object) => string} say
 * @property {string} locale for times
 * @property {string} articles
 * @property {(entry: object) => void} sendAgain
 * @property {(entry: object) => void} edit
 * @property {(entry: object, isHelpful: boolean) => Promise<boolean>} rate
 */

/** @returns {{node: Element, update: () => void, escape?: () => boolean}} */
export function messageView(entry, context) {
  if (entry.role === "event") return eventView(entry, context);
  if (entry.role === "customer") return customerView(entry, context);
  return bankView(entry, context);
}

function eventView(entry, { say }) {
  const line = element("span", { dir: "auto" }, say("joined", { name: entry.text }));
  return { node: element("p", { class: "event" }, icon("person"), line), update() {} };
}

function customerView(entry, context) {
  const words = element("p", { dir: "auto" });
  const foot = element("div", { class: "foot" });
  const text = element("div", { class: "text" }, words);
  const node = element("article", { class: "message customer" }, hidden(`${context.say("you")}:`), text, foot);
  let shown = "";
  const update = () => {
    setText(words, entry.text);
    setAttributes(node, { "data-state": entry.state, "data-message-id": entry.id, hidden: entry.text === "" });
    const state = [entry.state, entry.problem?.detail, Number(entry.createdAt)].join();
    if (state !== shown) foot.replaceChildren(...deliveryState(entry, context));
    shown = state;
  };
  return { node, update };
}

/** Sending, waiting, sent at, not sent and why. */
function deliveryState(entry, { say, locale, sendAgain, edit }) {
  if (entry.state === "sent") return [time(entry.createdAt, locale), icon("check", "tick"), hidden(say("sent"))];
  if (entry.state === "sending") return [say("sending")];
  if (entry.state === "waiting") return [icon("clock"), waitingReason(entry.problem, say)];
  const isRefused = TEXT_IS_REFUSED.has(entry.problem?.status);
  const [label, action] = isRefused ? [say("edit"), edit] : [say("again"), sendAgain];
  const button = element("button", { class: "text-button", type: "button", on: { click: () => action(entry) } }, label);
  const reason = element("span", { dir: "auto" }, `${say("failed")} ${entry.problem?.detail ?? ""}`.trim());
  return [icon("alert"), reason, button];
}

function waitingReason(problem, say) {
  const isTooFast = problem?.status === 429 && problem.detail;
  return element("span", { dir: "auto" }, isTooFast ? problem.detail : say("waiting"));
}

function bankView(entry, context) {
  const { say, locale } = context;
  const author = element("span", {});
  const rich = new RichText((number) => sources.marker(number));
  const sources = new Sources(rich.node, say, context.articles);
  const foot = element("div", { class: "foot" });
  const node = element("article", {}, author, rich.node, sources.node, foot);
  let isFinished = false;
  const update = () => {
    const isComplete = entry.state === "complete";
    if (entry.role === "system" && node.firstChild === author) node.prepend(icon("info"));
    if (isComplete && !isFinished) sources.set(entry.citations, true);
    rich.render(entry.text, { isGrowing: !isComplete, version: sources.version });
    setText(author, entry.author ?? `${authorOf(entry, say)}:`);
    setAttributes(author, { class: entry.role === "agent" ? "author" : "unseen", dir: "auto" });
    setAttributes(node, {
      class: `message ${entry.role}`,
      lang: entry.language,
      "data-state": entry.state,
      "data-message-id": entry.id,
      "data-outcome": entry.outcome,
      hidden: entry.text === "",
    });
    if (isComplete && !isFinished) foot.replaceChildren(...footOf(entry, locale, context));
    isFinished = isComplete;
  };
  return { node, update, escape: () => sources.close() };
}

export function authorOf({ role, author }, say) {
  return author ?? say({ system: "notice", agent: "team", customer: "you" }[role] ?? "assistant");
}

function footOf(entry, locale, context) {
  const said = time(entry.createdAt, locale);
  if (entry.role === "system") return [];
  if (entry.role !== "assistant" || NOT_FOR_FEEDBACK.has(entry.outcome)) return [said];
  return [said, thumbs(entry, context)];
}

function time(date, locale) {
  if (date === null || Number.isNaN(Number(date))) return "";
  return element("time", { datetime: date.toISOString() }, localTime(date, locale));
}

function thumbs(entry, { say, rate }) {
  const buttons = [true, false].map((isHelpful) => {
    const label = say(isHelpful ? "helpful" : "not_helpful");
    const attributes = { class: "thumb", type: "button", "aria-pressed": "false", "aria-label": label, title: label };
    const button = element("button", attributes, icon("up", isHelpful ? "" : "turned"));
    button.addEventListener("click", () => give(isHelpful));
    return button;
  });
  const press = (chosen) => {
    buttons.forEach((each, index) => each.setAttribute("aria-pressed", String(index === chosen)));
  };
  const give = async (isHelpful) => {
    const before = buttons.findIndex((each) => each.getAttribute("aria-pressed") === "true");
    press(isHelpful ? 0 : 1);
    if (!(await rate(entry, isHelpful))) press(before);
  };
  return element("div", { class: "thumbs" }, ...buttons);
}
