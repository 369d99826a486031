/** The open chat: header, log, what is going on, and where to write. */

import { Announcer } from "./announcer.js";
import { Composer } from "./composer.js";
import { element, hidden, setText } from "./dom.js";
import { Header, WaitingBanner } from "./header.js";
import { icon } from "./icons.js";
import { Log } from "./log.js";
import { authorOf } from "./message.js";
import { StatusLine } from "./status.js";

const PROBLEM_SHOWN_MS = 8_000;

export class Panel {
  node;
  #say;
  #actions;
  #header;
  #banner;
  #log;
  #status;
  #composer;
  #announcer = new Announcer();
  #connection = element("div", { class: "connection", hidden: true });
  #problem = element("div", { class: "problem", role: "alert" });
  #problemTimer = null;
  #person;
  #suggestions = element("div", { class: "suggestions", hidden: true });
  #tail;
  #foot = element("div", { class: "foot-area" });
  #footKind = "";
  #isAskedToEnd = false;
  #announced = new Set();
  #wasWaitingSince = null;
  #wasUnread = null;

  /**
   * @param {object} options
   * @param {(key: string, values?: object) => string} options.say
   * @param {string} options.language of what the panel says
   * @param {string} options.locale for times
   * @param {string} options.bank
   * @param {string} options.articles
   * @param {object} options.actions send, sendAgain, edit, rate, stop, askForPerson, end, startAgain, minimise
   */
  constructor({ say, language, locale, bank, articles, actions }) {
    this.#say = say;
    this.#actions = actions;
    this.#header = new Header({ say, bank, onEnd: () => this.#askToEnd(), onMinimise: actions.minimise });
    this.#banner = new WaitingBanner({ say, language });
    this.#log = new Log({ say, locale, articles, ...this.#messageActions() });
    this.#status = new StatusLine({ say, onStop: actions.stop });
    this.#tail = element("div", { class: "tail" }, this.#status.node, this.#suggestions);
    this.#person = this.#personButton();
    this.#composer = new Composer({ say, onSend: (text) => this.#send(text), aside: this.#person });
    const body = [this.#header.node, this.#banner.node, this.#log.node, this.#connection, this.#problem, this.#foot];
    const attributes = { class: "panel", id: "panel", role: "dialog", "aria-label": say("panel", { bank }) };
    this.node = element("section", { ...attributes, hidden: true }, ...body, this.#announcer.node);
    this.node.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Shows a conversation, of whose entries `changed` are other than last time. */
  render(conversation, changed) {
    const { transcript } = conversation;
    this.#header.render(transcript, transcript.hasCustomerMessage && transcript.status !== "closed");
    this.#banner.render(transcript);
    this.#status.render(transcript);
    this.#suggestions.hidden = transcript.hasCustomerMessage || transcript.entries.length === 0;
    this.#log.render(transcript.entries, changed, this.#tail);
    this.#renderConnection(conversation);
    this.#renderFoot(transcript);
    for (const entry of changed) this.#announce(entry, conversation.isLive);
    this.#announceWaiting(transcript, conversation.isLive);
    this.#announceUnread(transcript, conversation.isLive);
  }

  set suggestions(questions) {
    const title = element("p", {}, this.#say("suggestions"));
    const buttons = questions.map((question) =>
      element("button", { type: "button", dir: "auto", on: { click: () => this.#send(question) } }, question),
    );
    this.#suggestions.replaceChildren(...(buttons.length > 0 ? [title, ...buttons] : []));
  }

  focus() {
    if (this.#footKind === "composer") this.#composer.focus();
    else this.#foot.querySelector("button")?.focus();
  }

  write(text) {
    this.#composer.text = text;
    this.focus();
  }

  showTyping(name) {
    this.#status.showTyping(name);
  }

  showProblem(problem) {
    clearTimeout(this.#problemTimer);
    const dismiss = { class: "icon-button small", type: "button", on: { click: () => this.#hideProblem() } };
    const text = element("span", { dir: "auto" }, problem.detail || this.#say("failure"));
    const button = element("button", dismiss, icon("close"), hidden(this.#say("dismiss")));
    this.#problem.replaceChildren(icon("alert"), text, button);
    this.#problemTimer = setTimeout(() => this.#hideProblem(), PROBLEM_SHOWN_MS);
  }

  #hideProblem() {
    const hadFocus = this.#problem.contains(this.node.getRootNode().activeElement);
    this.#problem.replaceChildren();
    if (hadFocus) this.focus();
  }

  #messageActions() {
    const edit = (entry) => {
      this.#actions.discard(entry);
      this.write(entry.text);
    };
    const rate = async (entry, isHelpful) => {
      const isDone = await this.#actions.rate(entry, isHelpful);
      if (isDone) this.#announcer.say(this.#say("thanks"));
      return isDone;
    };
    return { edit, rate, sendAgain: (entry) => this.#actions.sendAgain(entry) };
  }

  #send(text) {
    this.#log.follow();
    this.#actions.send(text);
    this.focus();
  }

  #personButton() {
    const label = element("span", {}, this.#say("person"));
    const button = element("button", { class: "text-button person", type: "button" }, icon("person"), label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      setText(label, this.#say("person_asked"));
      this.#announcer.say(this.#say("person_asked"));
      const isDone = await this.#actions.askForPerson();
      // Where it was done, the button goes as soon as the escalation is there.
      button.disabled = false;
      if (!isDone) setText(label, this.#say("person"));
    });
    return button;
  }

  #renderConnection({ isConnected, hasBeenConnected }) {
    const text = isConnected ? "" : this.#say(hasBeenConnected ? "reconnecting" : "connecting");
    this.#connection.hidden = text === "";
    if (this.#connection.textContent !== text && text !== "") this.#announcer.say(text);
    setText(this.#connection, text);
  }

  #renderFoot(transcript) {
    const isWithPerson = transcript.isWithPerson;
    this.#person.hidden = isWithPerson;
    if (isWithPerson) setText(this.#person.lastChild, this.#say("person"));
    if (transcript.status === "closed") this.#isAskedToEnd = false;
    const kind = transcript.status === "closed" ? "closed" : this.#isAskedToEnd ? "end" : "composer";
    if (kind === this.#footKind) return;
    this.#footKind = kind;
    const hadFocus = this.#foot.contains(this.node.getRootNode().activeElement);
    const nodes = { closed: () => this.#closedFoot(), end: () => this.#endFoot(), composer: () => this.#composer.node };
    this.#foot.replaceChildren(nodes[kind]());
    if (hadFocus || kind === "end") this.focus();
  }

  #closedFoot() {
    const start = { class: "button", type: "button", on: { click: this.#actions.startAgain } };
    const button = element("button", start, this.#say("start_again"));
    return element("div", { class: "choice" }, element("p", {}, this.#say("ended")), button);
  }

  #endFoot() {
    const end = { class: "button", type: "button", on: { click: () => this.#end() } };
    const keep = { class: "button quiet", type: "button", on: { click: () => this.#keep() } };
    const question = element("p", { id: "end-question" }, this.#say("end_question"));
    const attributes = { class: "choice", role: "group", "aria-labelledby": "end-question" };
    const buttons = [element("button", end, this.#say("end")), element("button", keep, this.#say("end_keep"))];
    return element("div", attributes, question, element("div", {}, ...buttons));
  }

  #askToEnd() {
    this.#isAskedToEnd = true;
    this.#actions.refresh();
  }

  #keep() {
    this.#isAskedToEnd = false;
    this.#actions.refresh();
    this.focus();
  }

  async #end() {
    if (await this.#actions.end()) return;
    this.#keep();
  }

  #announce(entry, isLive) {
    const isWhole = entry.state === "complete" && entry.text !== "";
    if (entry.state === "failed" && isLive) this.#announcer.say(`${this.#say("failed")} ${entry.problem.detail}`);
    if (!isWhole || this.#announced.has(entry)) return;
    this.#announced.add(entry);
    if (!isLive) return;
    if (entry.role === "event") this.#announcer.say(this.#say("joined", { name: entry.text }));
    else this.#announcer.say(`${authorOf(entry, this.#say)}: ${entry.text}`, entry.language);
  }

  #announceWaiting({ isWaiting, escalation }, isLive) {
    const waiting = isWaiting && escalation !== null ? escalation.id : null;
    if (waiting !== null && waiting !== this.#wasWaitingSince && isLive) {
      this.#announcer.say(this.#banner.node.innerText);
    }
    this.#wasWaitingSince = waiting;
  }

  #announceUnread({ unread }, isLive) {
    if (unread !== null && unread !== this.#wasUnread && isLive) this.#announcer.say(this.#say("will_be_read"));
    this.#wasUnread = unread;
  }

  #pressed(event) {
    if (event.key !== "Escape" || event.isComposing) return;
    event.stopPropagation();
    if (this.#log.escape(event.composedPath()[0])) return;
    if (this.#isAskedToEnd && this.#footKind === "end") this.#keep();
    else this.#actions.minimise();
  }
}
