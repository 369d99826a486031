/** The quiet line below the last message: what is being done, by whom, who will read it, and the way to stop it. */

import { element, setText } from "./dom.js";

const SLOW_AFTER_MS = 10_000;
const TYPING_LASTS_MS = 6_000;
const STOPPABLE = new Set(["generation", "review"]);

export class StatusLine {
  node;
  #say;
  #dots;
  #text = element("span", { class: "status-text" });
  #stop;
  #typing = null;
  #typingTimer = null;
  #slowTimer = null;
  #transcript = null;

  constructor({ say, onStop }) {
    this.#say = say;
    const stop = { class: "stop", type: "button", on: { click: () => this.#stopped(onStop) } };
    this.#stop = element("button", stop, say("stop"));
    this.#dots = element("span", { class: "dots", "aria-hidden": "true" }, ...[1, 2, 3].map(() => element("i")));
    this.node = element("div", { class: "status", hidden: true }, this.#dots, this.#text, this.#stop);
  }

  render(transcript) {
    this.#transcript = transcript;
    const turn = transcript.openTurn;
    const doing = this.#typing !== null ? this.#say("typing", { name: this.#typing }) : this.#turnText(turn);
    const text = doing ?? (transcript.unread !== null ? this.#say("will_be_read") : null);
    this.node.hidden = text === null;
    this.#dots.hidden = doing === null;
    setText(this.#text, text ?? "");
    const canStop = turn !== null && (transcript.isStreaming || STOPPABLE.has(turn.stage));
    if (!canStop) this.#stop.disabled = false;
    this.#stop.hidden = !canStop;
  }

  /** @param {string | null} name null: nobody types any more */
  showTyping(name) {
    this.#typing = name;
    clearTimeout(this.#typingTimer);
    if (name !== null) this.#typingTimer = setTimeout(() => this.showTyping(null), TYPING_LASTS_MS);
    if (this.#transcript !== null) this.render(this.#transcript);
  }

  #turnText(turn) {
    clearTimeout(this.#slowTimer);
    if (turn === null) return null;
    const quietMs = Date.now() - turn.since;
    if (quietMs >= SLOW_AFTER_MS) return this.#say("slow");
    this.#slowTimer = setTimeout(() => this.render(this.#transcript), SLOW_AFTER_MS - quietMs + 1);
    return this.#say(`stage_${turn.stage ?? "received"}`);
  }

  async #stopped(onStop) {
    this.#stop.disabled = true;
    if (!(await onStop())) this.#stop.disabled = false;
  }
}
