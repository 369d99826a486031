/** One conversation with the bank: opened when needed, followed for ever, spoken into in order. */

import { newId } from "./ids.js";
import { Outbox } from "./outbox.js";
import { untilAnswered } from "./retry.js";
import { remembered } from "./storage.js";
import { EventStream } from "./stream.js";
import { Transcript } from "./transcript.js";

/** What was said before the page was loaded comes in one rush; a pause of this length ends it. */
const HISTORY_ENDS_AFTER_MS = 400;
const GATHER_MS = 150;
const PAGE_SIZE = 200;
const ACTION_TRIES = 4;
const LATE_MS = 2_000;

export class Conversation {
  transcript;
  isConnected = true;
  hasBeenConnected = false;
  /** False while what is told is history. */
  isLive = false;
  #id = null;
  #api;
  #locale;
  #handlers;
  #outbox;
  #stream = null;
  #opening = null;
  #historyTimer = null;
  #learnTimer = null;
  #isOver = false;

  /**
   * @param {object} options
   * @param {import("./api.js").Api} options.api
   * @param {string} options.locale BCP 47
   * @param {(entry: object | null) => void} options.onChange
   * @param {(problem: object) => void} options.onProblem something the customer asked for did not happen
   * @param {(name: string | null) => void} options.onTyping null: not any more
   * @param {() => void} options.onLost the server does not know this conversation any more
   */
  constructor({ api, locale, ...handlers }) {
    this.#api = api;
    this.#locale = locale;
    this.#handlers = handlers;
    this.transcript = new Transcript((entry) => handlers.onChange(entry));
    this.#outbox = new Outbox({
      post: (entry) => this.#post(entry),
      transcript: this.transcript,
      onIdle: () => this.#learnSoon(),
    });
  }

  static get isRemembered() {
    return remembered.get("conversation") !== null;
  }

  /** Opens the conversation, or takes up the one that this tab had. Safe to call again. */
  open() {
    this.#opening ??= this.#open().catch((problem) => {
      this.#opening = null;
      this.#handlers.onProblem(problem);
      throw problem;
    });
    return this.#opening;
  }

  send(text) {
    this.isLive = true;
    this.#outbox.add(text, newId());
  }

  sendAgain(entry) {
    this.#outbox.again(entry);
  }

  stop() {
    return this.#act("stop", {});
  }

  askForPerson() {
    return this.#act("escalate", {});
  }

  rate(entry, isHelpful) {
    return this.#act("feedback", { rating: isHelpful ? 5 : 1, helpful: isHelpful, message_id: entry.id });
  }

  close() {
    return this.#act("close", {});
  }

  /** Ends following. What was not sent is given up. */
  leave() {
    this.#isOver = true;
    this.#stream?.stop();
    clearTimeout(this.#historyTimer);
    clearTimeout(this.#learnTimer);
  }

  forget() {
    this.leave();
    remembered.forget("conversation");
  }

  async #open() {
    this.#id = remembered.get("conversation") ?? (await this.#create());
    if (this.#isOver) return;
    this.#stream = new EventStream({
      connect: (lastEventId, signal) => this.#api.stream(this.#path("events"), lastEventId, signal),
      onEvent: (type, data) => this.#heard(type, data),
      onConnection: (isConnected) => this.#connection(isConnected),
      onRefused: (problem) => this.#refused(problem),
    });
  }

  /** The key is remembered until there is an answer: a refresh in between opens no second conversation. */
  async #create() {
    const key = remembered.get("creating") ?? newId();
    remembered.set("creating", key);
    const body = { channel: "web", locale: this.#locale };
    const late = setTimeout(() => this.#connection(false), LATE_MS);
    try {
      const created = await untilAnswered(() => this.#api.post("/v1/conversations", body, key));
      remembered.set("conversation", created.id);
      this.isLive = true;
      return created.id;
    } finally {
      clearTimeout(late);
      remembered.forget("creating");
    }
  }

  #path(name) {
    return `/v1/conversations/${encodeURIComponent(this.#id)}/${name}`;
  }

  async #post(entry) {
    await this.open();
    const body = { content: entry.text, client_message_id: entry.key };
    try {
      return await this.#api.post(this.#path("messages"), body);
    } catch (problem) {
      if (problem.code === "conversation_closed") this.transcript.apply("conversation.closed", {});
      throw problem;
    }
  }

  /** Returns whether it was done. One key for all tries: it is done once. */
  async #act(name, body) {
    const key = newId();
    try {
      await this.open();
      await untilAnswered(() => this.#api.post(this.#path(name), body, key), { tries: ACTION_TRIES });
      return true;
    } catch (problem) {
      this.#handlers.onProblem(problem);
      return false;
    }
  }

  #heard(type, data) {
    if (!this.isLive) this.#expectSilence();
    // A token that ended: the stream takes the next one and goes on.
    if (type === "error" && data.code !== "unauthenticated") this.#handlers.onProblem(data);
    if (type === "agent.typing") this.#handlers.onTyping(data.agent_display_name);
    if (type === "message.completed" && data.role === "agent") this.#handlers.onTyping(null);
    this.transcript.apply(type, data);
    // A notice about what was written may mean that it was stored with something masked.
    const isNotice = type === "message.completed" && data.role === "system" && data.turn > 0;
    if (isNotice || this.transcript.hasUnknownWords) this.#learnSoon(isNotice);
  }

  #expectSilence() {
    clearTimeout(this.#historyTimer);
    this.#historyTimer = setTimeout(() => {
      this.isLive = true;
    }, HISTORY_ENDS_AFTER_MS);
  }

  #connection(isConnected) {
    if (isConnected && !this.isLive) this.#expectSilence();
    if (isConnected) this.#outbox.againUnreached();
    this.hasBeenConnected ||= isConnected;
    if (isConnected === this.isConnected) return;
    this.isConnected = isConnected;
    this.#handlers.onChange(null);
  }

  #refused(problem) {
    this.forget();
    if (problem.status === 404) this.#handlers.onLost();
    else this.#handlers.onProblem(problem);
  }

  /**
   * `message.accepted` holds no words. Those of this page's own messages are known as soon as nothing is on its way;
   * what is still unknown then was written before this page was loaded, or in another tab.
   */
  #learnSoon(always = false) {
    clearTimeout(this.#learnTimer);
    this.#learnTimer = setTimeout(() => {
      if (this.#isOver || !this.#outbox.isIdle) return;
      if (always || this.transcript.hasUnknownWords) this.#learn();
    }, GATHER_MS);
  }

  async #learn() {
    try {
      for (let cursor = ""; cursor !== null; ) {
        const page = `${this.#path("messages")}?limit=${PAGE_SIZE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
        const { items, next_cursor: next } = await untilAnswered(() => this.#api.get(page));
        for (const message of items) this.transcript.setStored(message);
        cursor = next ?? null;
      }
    } catch (problem) {
      this.#handlers.onProblem(problem);
    }
  }
}
