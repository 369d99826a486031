/** Calls to the public API: bearer tokens that renew themselves, and every failure as one kind of error. */

/** A token is replaced this long before it ends, or after 80 % of a shorter life. */
const RENEW_EARLY_MS = 60_000;
const ANSWER_WITHIN_MS = 15_000;
const UNAUTHORIZED = 401;

/** A problem as RFC 9457 has it. `status` 0: no answer came. */
export class Problem extends Error {
  constructor({ status, code = "", detail = "", retryAfterMs = null }) {
    super(detail || code || `status ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return [0, 408, 425, 429].includes(this.status) || this.status >= 500;
  }

  /** Whether the thing that was asked for will never be given. */
  get isFinal() {
    return [403, 404, 410].includes(this.status);
  }
}

export class Api {
  #base;
  #getToken;
  #token = null;
  #pendingToken = null;

  /**
   * @param {string} base the origin of the API
   * @param {() => Promise<{access_token: string, expires_in: number}>} getToken asks the bank's own backend
   */
  constructor(base, getToken) {
    this.#base = base;
    this.#getToken = getToken;
  }

  /** @returns {Promise<object>} the answer's JSON. Throws a `Problem`. */
  async get(path) {
    const response = await this.#request(path, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    return readJson(response);
  }

  /** @returns {Promise<object>} the answer's JSON, `{}` where it has none. Throws a `Problem`. */
  async post(path, body, idempotencyKey = null) {
    const headers = { "Content-Type": "application/json" };
    if (idempotencyKey !== null) headers["Idempotency-Key"] = idempotencyKey;
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await this.#request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
    return response.status === 204 ? {} : readJson(response);
  }

  /** @returns {Promise<Response>} an open event stream. Throws a `Problem`. */
  async stream(path, lastEventId, signal) {
    const headers = { Accept: "text/event-stream" };
    if (lastEventId !== null) headers["Last-Event-ID"] = lastEventId;
    const opening = new AbortController();
    const timer = setTimeout(() => opening.abort(), ANSWER_WITHIN_MS);
    signal.addEventListener("abort", () => opening.abort(), { once: true });
    try {
      return await this.#request(path, { headers, signal: opening.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  async #request(path, options) {
    const token = await this.#currentToken();
    const response = await this.#send(path, options, token);
    if (response.status !== UNAUTHORIZED) return accepted(response);
    this.#forget(token);
    return accepted(await this.#send(path, options, await this.#currentToken()));
  }

  async #send(path, options, token) {
    const headers = { ...options.headers, Authorization: `Bearer ${token.value}` };
    const request = { ...options, headers, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };
    try {
      return await fetch(this.#base + path, request);
    } catch {
      throw new Problem({ status: 0, code: "network" });
    }
  }

  async #currentToken() {
    if (this.#token !== null && Date.now() < this.#token.renewAt) return this.#token;
    // Several calls that need a new token share one.
    this.#pendingToken ??= this.#newToken().finally(() => {
      this.#pendingToken = null;
    });
    return this.#pendingToken;
  }

  async #newToken() {
    const granted = await this.#getToken();
    const lifeMs = granted.expires_in * 1_000;
    const renewAt = Date.now() + Math.max(lifeMs - RENEW_EARLY_MS, lifeMs * 0.8);
    this.#token = { value: granted.access_token, renewAt };
    return this.#token;
  }

  #forget(token) {
    if (this.#token === token) this.#token = null;
  }
}

/** A `getToken` that asks the URL of the bank's backend, with the customer's own session there. */
export function tokensFrom(url, body = {}) {
  return async () => {
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
    } catch {
      throw new Problem({ status: 0, code: "network" });
    }
    return readJson(await accepted(response));
  };
}

async function accepted(response) {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem({
    status: response.status,
    code: problem.code,
    detail: problem.detail,
    retryAfterMs: readRetryAfter(response.headers.get("Retry-After")),
  });
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    // Cut off in the middle, or not JSON: a proxy's page, say.
    throw new Problem({ status: 0, code: "invalid_response" });
  }
}

/** `Retry-After` is seconds or a date (RFC 9110 § 10.2.3). Null where it says nothing usable. */
function readRetryAfter(value) {
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(ms, 0);
}
