/** Sends the customer's messages one after the other, so that a burst arrives in the order in which it was written. */

import { untilAnswered } from "./retry.js";

const UNREACHED_TRIES = 4;

export class Outbox {
  #queue = [];
  #isRunning = false;
  #post;
  #transcript;
  #onIdle;

  /**
   * @param {object} options
   * @param {(entry: object) => Promise<{message_id: string, turn: number}>} options.post with the entry's key as
   *   `client_message_id`: sent twice, it is still one message
   * @param {import("./transcript.js").Transcript} options.transcript
   * @param {() => void} options.onIdle nothing is on its way any more
   */
  constructor({ post, transcript, onIdle }) {
    this.#post = post;
    this.#transcript = transcript;
    this.#onIdle = onIdle;
  }

  get isIdle() {
    return !this.#isRunning;
  }

  add(text, key) {
    this.#enqueue(this.#transcript.addDraft(key, text));
  }

  /** Sends a message that had not been sent again, under the id it had. */
  again(entry) {
    if (entry.state !== "failed") return;
    this.#transcript.update(entry, { state: "sending", problem: null, wasRetried: true });
    this.#enqueue(entry);
  }

  /** The server is there again: what had not reached it goes out. */
  againUnreached() {
    for (const entry of this.#transcript.entries) {
      if (entry.state === "failed" && entry.problem.status === 0) this.again(entry);
    }
  }

  async #enqueue(entry) {
    this.#queue.push(entry);
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#queue.length > 0) await this.#deliver(this.#queue.shift());
    this.#isRunning = false;
    this.#onIdle();
  }

  async #deliver(entry) {
    try {
      const answer = await untilAnswered(() => this.#post(entry), {
        unreachedTries: UNREACHED_TRIES,
        onProblem: (problem) => this.#transcript.update(entry, { state: "waiting", problem }),
      });
      this.#transcript.accepted(answer.message_id, answer.turn, entry);
    } catch (problem) {
      this.#transcript.update(entry, { state: "failed", problem });
    }
  }
}
