/** Where the customer writes. Enter sends, Shift+Enter begins a new line. */

import { element, hidden, setAttributes, setText } from "./dom.js";
import { icon } from "./icons.js";

const MOST_CHARACTERS = 8_000;
const COUNT_FROM = 7_500;

export class Composer {
  node;
  #say;
  #input;
  #send;
  #count;
  #onSend;

  /**
   * @param {object} options
   * @param {(key: string, values?: object) => string} options.say
   * @param {(text: string) => void} options.onSend
   * @param {Node} options.aside stands beside the counter
   */
  constructor({ say, onSend, aside }) {
    this.#say = say;
    this.#onSend = onSend;
    this.#input = element("textarea", {
      id: "input",
      rows: 1,
      placeholder: say("placeholder"),
      enterkeyhint: "send",
      autocomplete: "off",
      "aria-describedby": "count",
      on: { input: () => this.#changed(), keydown: (event) => this.#pressed(event) },
    });
    const label = element("label", { class: "unseen", for: "input" }, say("input"));
    this.#send = element("button", { class: "send", type: "submit" }, icon("send"), hidden(say("send")));
    this.#count = element("span", { class: "count", id: "count" });
    this.node = element(
      "form",
      { class: "composer", novalidate: true, on: { submit: (event) => this.#submit(event) } },
      element("div", { class: "field" }, label, this.#input, this.#send),
      element("div", { class: "composer-foot" }, aside, this.#count),
    );
    this.#changed();
  }

  focus() {
    this.#input.focus();
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.#changed();
  }

  #pressed(event) {
    // An input method uses Enter to choose a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    this.#submit(event);
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#input.value.trim();
    if (text === "" || characters(text) > MOST_CHARACTERS) return;
    this.text = "";
    this.#onSend(text);
    this.#input.focus();
  }

  #changed() {
    const count = characters(this.#input.value.trim());
    const left = MOST_CHARACTERS - count;
    const message = left < 0 ? this.#say("too_long", { count: -left }) : this.#say("left", { count: left });
    setText(this.#count, count < COUNT_FROM ? "" : message);
    setAttributes(this.#count, { "data-over": left < 0 });
    // An empty field runs as the page does, and with it the words that hold its place.
    setAttributes(this.#input, { dir: this.#input.value === "" ? null : "auto" });
    setAttributes(this.#input, { "aria-invalid": left < 0 ? "true" : null });
    this.#send.disabled = count === 0 || left < 0;
    this.#grow();
  }

  /** As high as its text, up to what the stylesheet allows. A field that is not shown has no height to take. */
  #grow() {
    this.#input.style.height = "auto";
    const height = this.#input.scrollHeight;
    if (height > 0) this.#input.style.height = `${height}px`;
  }
}

/** As the server counts: an emoji is one character, not two. */
function characters(text) {
  return [...text].length;
}
