/**
 * What has been said, built from the events of a conversation. Any prefix of the stream may arrive twice, and an answer
 * may begin again: the same events in the same order always give the same transcript.
 */

/** @typedef {"sending" | "waiting" | "sent" | "failed" | "streaming" | "complete"} State */

export class Transcript {
  /** In the order in which the customer saw them appear. */
  entries = [];
  /** `active | waiting_human | with_agent | closed` */
  status = "active";
  /** The open escalation, as a customer may see it. */
  escalation = null;
  isLate = false;
  #byId = new Map();
  #openTurns = new Map();
  #endedTurns = new Set();
  #onChange;

  /** @param {(entry: object | null) => void} onChange an entry that changed, null for anything else */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** The turn that is worked on, the oldest that has not ended: `{turn, stage, since}`, or null. */
  get openTurn() {
    const oldest = Math.min(...this.#openTurns.keys());
    return this.#openTurns.get(oldest) ?? null;
  }

  /** Whether words of an answer are arriving. */
  get isStreaming() {
    return this.entries.some((entry) => entry.state === "streaming" && entry.text !== "");
  }

  get hasCustomerMessage() {
    return this.entries.some((entry) => entry.role === "customer" && entry.text !== "");
  }

  get isWithPerson() {
    return this.escalation !== null || ["waiting_human", "with_agent"].includes(this.status);
  }

  /** Whether a person was asked for and nobody has come. */
  get isWaiting() {
    const isAsked = this.escalation !== null || this.status === "waiting_human";
    return isAsked && this.status !== "closed" && !this.escalation?.agent_display_name;
  }

  /** The customer's newest message that waits for the person who was asked for, or null. */
  get unread() {
    const last = this.entries.findLast(({ role, text }) => role !== "event" && text !== "");
    const isLeft = this.isWaiting && last?.role === "customer" && last.state === "sent";
    return isLeft && !this.#openTurns.has(last.turn) ? last : null;
  }

  /** Messages of the customer whose words this page does not know: another page load sent them. */
  get hasUnknownWords() {
    return this.entries.some((entry) => entry.role === "customer" && entry.text === "");
  }

  apply(type, data) {
    const handlers = {
      "message.accepted": () => this.accepted(data.message_id, data.turn),
      "turn.stage": () => this.#staged(data),
      "message.delta": () => this.#delta(data),
      "message.reset": () => this.#reset(data),
      "message.completed": () => this.#completed(data),
      "turn.completed": () => this.#turnCompleted(data),
      "conversation.updated": () => this.#updated(data.status),
      "conversation.closed": () => this.#updated("closed"),
    };
    if (type.startsWith("escalation.")) this.#escalated(type.slice("escalation.".length), data);
    else handlers[type]?.();
  }

  /** Shows the customer's words before the server has them. */
  addDraft(clientId, text) {
    return this.#add({ key: clientId, role: "customer", text, state: "sending", createdAt: new Date() });
  }

  update(entry, changes) {
    Object.assign(entry, changes);
    this.#onChange(entry);
  }

  /** The server has the message, says its answer or its event, whichever comes first. `entry`: the one on screen. */
  accepted(id, turn, entry = null) {
    const known = this.#byId.get(id);
    if (!this.#endedTurns.has(turn) && !this.#openTurns.has(turn)) this.#openTurns.set(turn, newTurn(turn));
    if (entry === null) {
      if (known === undefined) this.#add({ key: id, id, turn, role: "customer", text: "", state: "sent" });
      this.#onChange(null);
      return;
    }
    if (known !== undefined && known !== entry) this.#remove(known);
    this.#byId.set(id, entry);
    const wasRetried = entry.wasRetried === true;
    this.update(entry, { id, turn, state: "sent", problem: null, wasRetried: false });
    // What was said again stands where it was said again.
    if (wasRetried) this.#moveToEnd(entry);
  }

  /** What the server stored for a customer's message: with card numbers masked, for example. */
  setStored(message) {
    const entry = this.#byId.get(message.id);
    if (entry === undefined || entry.role !== "customer") return;
    this.update(entry, { text: message.content, createdAt: new Date(message.created_at), language: message.language });
  }

  discard(entry) {
    this.#remove(entry);
    this.#onChange(null);
  }

  #staged({ turn, stage }) {
    if (this.#endedTurns.has(turn)) return;
    this.#openTurns.set(turn, { ...newTurn(turn), stage });
    this.#onChange(null);
  }

  #delta({ message_id: id, turn, attempt, seq, text }) {
    const entry = this.#byId.get(id) ?? this.#addIncoming(id, turn, "assistant");
    if (entry.state === "complete" || attempt < entry.attempt) return;
    if (attempt > entry.attempt) Object.assign(entry, { attempt, seq: -1, text: "" });
    if (seq <= entry.seq) return;
    this.update(entry, { seq, text: entry.text + text });
  }

  #reset({ message_id: id, attempt }) {
    const entry = this.#byId.get(id);
    if (entry === undefined || entry.state === "complete" || attempt <= entry.attempt) return;
    this.update(entry, { attempt, seq: -1, text: "" });
  }

  #completed(message) {
    const { id, turn, role } = message;
    const entry = this.#byId.get(id) ?? this.#addIncoming(id, turn, role);
    this.update(entry, {
      role,
      turn,
      text: message.content,
      state: role === "customer" ? "sent" : "complete",
      language: message.language,
      citations: message.citations ?? [],
      outcome: message.outcome ?? null,
      author: role === "agent" ? (this.escalation?.agent_display_name ?? null) : null,
      createdAt: new Date(message.created_at),
    });
  }

  #turnCompleted({ turn }) {
    this.#endedTurns.add(turn);
    this.#openTurns.delete(turn);
    // What was taken back and never completed leaves no trace.
    for (const entry of this.entries.filter((each) => each.turn === turn && each.state === "streaming")) {
      this.#remove(entry);
    }
    this.#onChange(null);
  }

  #escalated(what, escalation) {
    if (what === "sla_breached") this.isLate = true;
    if (what === "closed") {
      this.escalation = null;
      this.isLate = false;
    } else {
      this.#noteJoined(escalation);
      const agent = escalation.agent_display_name ?? this.#agentOf(escalation);
      // Only the first that is told of an escalation says in which zone it is due.
      this.escalation = { due_zone: this.escalation?.due_zone, ...escalation, agent_display_name: agent };
    }
    this.#onChange(null);
  }

  /** A line in the log when a person takes over, once for each. */
  #noteJoined({ id, agent_display_name: name }) {
    const key = `joined:${id}:${name}`;
    if (!name || this.entries.some((entry) => entry.key === key)) return;
    this.#add({ key, role: "event", text: name, state: "complete" });
  }

  #agentOf({ id }) {
    return this.escalation?.id === id ? this.escalation.agent_display_name : null;
  }

  #updated(status) {
    this.status = status;
    if (status === "active" || status === "closed") this.escalation = null;
    if (status === "waiting_human" && this.escalation !== null) {
      this.escalation = { ...this.escalation, status: "open", agent_display_name: null };
    }
    this.#onChange(null);
  }

  #addIncoming(id, turn, role) {
    return this.#add({ key: id, id, turn, role, text: "", state: "streaming" });
  }

  #add(fields) {
    const entry = { attempt: 0, seq: -1, citations: [], outcome: null, createdAt: null, problem: null, ...fields };
    this.entries.push(entry);
    if (entry.id !== undefined) this.#byId.set(entry.id, entry);
    this.#onChange(entry);
    return entry;
  }

  #remove(entry) {
    this.entries = this.entries.filter((each) => each !== entry);
    if (entry.id !== undefined && this.#byId.get(entry.id) === entry) this.#byId.delete(entry.id);
  }

  #moveToEnd(entry) {
    this.entries = [...this.entries.filter((each) => each !== entry), entry];
    this.#onChange(entry);
  }
}

function newTurn(turn) {
  return { turn, stage: null, since: Date.now() };
}
