/** Who is on the other side, and until when a person answers. */

import { element, hidden, setAttributes, setText } from "./dom.js";
import { icon } from "./icons.js";
import { deadline } from "./times.js";

export class Header {
  node;
  #say;
  #face = element("span", { class: "face", "aria-hidden": "true" });
  #who = element("span", { class: "who", dir: "auto" });
  #end;

  constructor({ say, bank, onEnd, onMinimise }) {
    this.#say = say;
    this.#end = element("button", { class: "text-button", type: "button", on: { click: onEnd } }, say("end"));
    const minimise = { class: "icon-button", type: "button", on: { click: onMinimise } };
    this.node = element(
      "header",
      { class: "top" },
      this.#face,
      element("div", { class: "names" }, element("h2", { dir: "auto" }, bank), this.#who),
      this.#end,
      element("button", minimise, icon("down"), hidden(say("minimise"))),
    );
  }

  render(transcript, canEnd) {
    const name = transcript.status === "closed" ? null : agentName(transcript.escalation);
    const unnamed = this.#say(transcript.isWaiting ? "waiting_who" : "assistant");
    setText(this.#who, name === null ? unnamed : this.#say("with_person", { name }));
    setAttributes(this.#face, { "data-person": name !== null });
    if (name !== null) setText(this.#face, initials(name));
    else if (this.#face.querySelector("svg") === null) this.#face.replaceChildren(icon("meridian"));
    this.#end.hidden = !canEnd;
  }
}

/** That a person was asked for, and by when they answer. */
export class WaitingBanner {
  node = element("div", { class: "banner", hidden: true });
  #say;
  #language;
  #title = element("strong", {});
  #due = element("span", {});

  constructor({ say, language }) {
    this.#say = say;
    this.#language = language;
    this.node.append(icon("person"), element("div", {}, this.#title, this.#due));
  }

  render({ isWaiting, escalation, isLate }) {
    this.node.hidden = !isWaiting;
    if (!isWaiting) return;
    setText(this.#title, this.#say("waiting_person"));
    setText(this.#due, isLate ? this.#say("late") : this.#dueText(escalation));
    setAttributes(this.node, { "data-late": isLate });
  }

  #dueText(escalation) {
    if (!escalation?.due_at) return "";
    return this.#say("due", { time: deadline(new Date(escalation.due_at), this.#language, escalation.due_zone) });
  }
}

export function agentName(escalation) {
  return escalation?.agent_display_name || null;
}

function initials(name) {
  const words = name.trim().split(/\s+/);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  return chosen.map((word) => [...word][0]).join("").toUpperCase();
}
