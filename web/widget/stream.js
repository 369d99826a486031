/**
 * Server-sent events over fetch. EventSource can't send an Authorization header, and a token in a URL ends up in logs.
 */

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
/** A loss shorter than this is nobody's business. */
const QUIET_LOSS_MS = 2_000;
/** The server sends at least a comment every 15 s; after three misses the connection is dead, whatever TCP thinks. */
const SILENCE_MS = 45_000;
/** A connection that lived this long was a good one: the next loss starts with short pauses again. */
const GOOD_CONNECTION_MS = 5_000;

/**
 * Parses an event stream that arrives in chunks cut anywhere, as the HTML standard describes it (§ 9.2.6). What is not
 * ended by an empty line when the stream ends was not sent in full and is dropped.
 */
export class EventParser {
  #rest = "";
  #endedWithReturn = false;
  #data = [];
  #type = "";
  #id = "";

  /** @returns {{id: string, type: string, data: string}[]} the events that this chunk completes */
  push(chunk) {
    if (chunk === "") return [];
    const text = this.#endedWithReturn && chunk.startsWith("\n") ? chunk.slice(1) : chunk;
    this.#endedWithReturn = chunk.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\n|\r/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter((event) => event !== null);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch() {
    const event = { id: this.#id, type: this.#type || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#type = "";
    return isEmpty ? null : event;
  }
}

/**
 * Follows a stream for ever: reconnects after every end with the id of the last event that was handled, waiting longer
 * each time (with jitter, so that a restarted server is not met by everybody at once).
 */
export class EventStream {
  #options;
  #lastEventId = null;
  #stopped = false;
  #failures = 0;
  #connection = null;
  #wake = () => {};
  #lossTimer = null;
  #onAwake = () => this.#wake();

  /**
   * @param {object} options
   * @param {(lastEventId: string | null, signal: AbortSignal) => Promise<Response>} options.connect throws a `Problem`
   * @param {(type: string, data: object) => void} options.onEvent
   * @param {(connected: boolean) => void} options.onConnection false only after 2 s without a connection
   * @param {(problem: object) => void} options.onRefused the server will never give this stream: it ends here
   */
  constructor(options) {
    this.#options = options;
    globalThis.addEventListener("online", this.#onAwake);
    document.addEventListener("visibilitychange", this.#onAwake);
    this.#run();
  }

  stop() {
    this.#stopped = true;
    globalThis.removeEventListener("online", this.#onAwake);
    document.removeEventListener("visibilitychange", this.#onAwake);
    clearTimeout(this.#lossTimer);
    this.#connection?.abort();
    this.#wake();
  }

  async #run() {
    while (!this.#stopped) {
      this.#lost();
      const problem = await this.#follow();
      if (this.#stopped) return;
      if (problem !== null && problem.isFinal) {
        this.stop();
        this.#options.onRefused(problem);
        return;
      }
      this.#lost();
      // An offset that the server does not take: all is told again, and the transcript knows what it had.
      if (problem?.status === 400 || problem?.status === 422) this.#lastEventId = null;
      await this.#pause(problem?.retryAfterMs ?? this.#nextPauseMs());
    }
  }

  /** One connection, until it ends. Returns why, or null where it just ended. */
  async #follow() {
    this.#connection = new AbortController();
    const startedAt = performance.now();
    try {
      const response = await this.#options.connect(this.#lastEventId, this.#connection.signal);
      this.#found();
      await this.#read(response.body);
      return null;
    } catch (problem) {
      return problem;
    } finally {
      this.#connection.abort();
      if (performance.now() - startedAt > GOOD_CONNECTION_MS) this.#failures = 0;
    }
  }

  async #read(body) {
    const parser = new EventParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const connection = this.#connection;
    let silence = null;
    try {
      for (;;) {
        clearTimeout(silence);
        silence = setTimeout(() => connection.abort(), SILENCE_MS);
        const { value, done } = await reader.read();
        if (done || this.#stopped) return;
        for (const event of parser.push(value)) this.#handle(event);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #handle({ id, type, data }) {
    const content = JSON.parse(data);
    try {
      this.#options.onEvent(type, content);
    } catch (error) {
      // A fault of the page: the same event again would only fail again.
      reportError(error);
    }
    if (id !== "") this.#lastEventId = id;
    this.#failures = 0;
  }

  #found() {
    clearTimeout(this.#lossTimer);
    this.#lossTimer = null;
    this.#options.onConnection(true);
  }

  #lost() {
    this.#lossTimer ??= setTimeout(() => this.#options.onConnection(false), QUIET_LOSS_MS);
  }

  #nextPauseMs() {
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    return longest * (0.5 + Math.random() / 2);
  }

  /** Waits; a network that comes back, or a tab that is looked at again, ends the wait. */
  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
