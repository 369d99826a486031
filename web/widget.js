/**
 * <helios-chat>: a bank's customer chat as one element.
 *
 *   <script type="module" src="/widget.js"></script>
 *   <helios-chat bank-name="Meridian Bank" token-url="/chat-session"></helios-chat>
 *
 * Attributes: `bank-name`; `token-url`, where the bank's backend answers a POST with `{access_token, expires_in}` (or
 * the property `getToken`, a function that resolves to the same); `api-url`, by default where this file came from;
 * `lang`, by default the browser's.
 * Methods: `open()`, `minimise()`, `ask(text)`. Property: `suggestions`, questions to begin with.
 */

import { Api, tokensFrom } from "./widget/api.js";
import { Conversation } from "./widget/conversation.js";
import { element, setAttributes, setText } from "./widget/dom.js";
import { icon } from "./widget/icons.js";
import { directionOf, preferredLanguage, speaker } from "./widget/languages.js";
import { Panel } from "./widget/panel.js";
import { remembered } from "./widget/storage.js";
import { STYLES } from "./widget/styles.js";
import { TEXTS } from "./widget/texts.js";

const stylesheet = new CSSStyleSheet();
stylesheet.replaceSync(STYLES);

export class HeliosChat extends HTMLElement {
  #root = this.attachShadow({ mode: "open" });
  #giveTokenSource;
  #tokenSource = new Promise((resolve) => {
    this.#giveTokenSource = resolve;
  });
  #suggestions = [];
  #say;
  #locale;
  #spoken;
  #api;
  #panel;
  #launcher;
  #badge = element("span", { class: "badge", hidden: true });
  #conversation = null;
  #changed = new Set();
  #unread = new Set();
  #frame = null;

  connectedCallback() {
    const wanted = this.lang ? [this.lang] : navigator.languages;
    const language = preferredLanguage(TEXTS, wanted);
    this.#say = speaker(TEXTS, language);
    const known = navigator.languages.find((each) => each.startsWith(language));
    // Times are written as the customer writes them, as far as that is the language they read here.
    this.#locale = known ?? language;
    // The bank may speak a language that this page has no words for.
    this.#spoken = known ?? wanted[0];
    this.#api = new Api(this.#apiUrl(), () => this.#fetchToken());
    this.#build(language);
    this.#takeEarlyProperties();
    this.#begin();
    if (remembered.get("panel") === "open") this.#showPanel();
    else if (Conversation.isRemembered) this.#openConversation();
  }

  disconnectedCallback() {
    this.#conversation.leave();
    this.#conversation = null;
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.#root.replaceChildren();
  }

  /** @param {() => Promise<{access_token: string, expires_in: number}>} getToken once; the chat waits for it */
  set getToken(getToken) {
    this.#giveTokenSource(getToken);
  }

  get suggestions() {
    return this.#suggestions;
  }

  set suggestions(questions) {
    this.#suggestions = [...questions];
    if (this.#panel === undefined) return;
    this.#panel.suggestions = this.#suggestions;
    this.#refresh();
  }

  open() {
    this.#showPanel();
    this.#panel.focus();
  }

  minimise() {
    this.#panel.node.hidden = true;
    this.#launcher.hidden = false;
    remembered.forget("panel");
    this.#launcher.focus();
  }

  /** Opens the chat with a question written, for the customer to send. */
  ask(text) {
    this.#showPanel();
    this.#panel.write(text);
  }

  #apiUrl() {
    return new URL(this.getAttribute("api-url") ?? "/", import.meta.url).origin;
  }

  async #fetchToken() {
    const url = this.getAttribute("token-url");
    const getToken = url === null ? await this.#tokenSource : tokensFrom(url);
    return getToken();
  }

  /** What a page set before this file was loaded would hide the properties of this class. */
  #takeEarlyProperties() {
    for (const name of ["getToken", "suggestions"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
  }

  #build(language) {
    this.#root.adoptedStyleSheets = [stylesheet];
    this.#panel = new Panel({
      say: this.#say,
      language,
      locale: this.#locale,
      bank: this.getAttribute("bank-name") ?? "",
      articles: new URL("/help/", this.#apiUrl()).href,
      actions: this.#actions(),
    });
    this.#panel.suggestions = this.#suggestions;
    const attributes = { class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "panel" };
    const label = element("span", {}, this.#say("launch"));
    const open = { on: { click: () => this.open() } };
    this.#launcher = element("button", { ...attributes, ...open }, icon("chat"), label, this.#badge);
    const speech = { lang: language, dir: directionOf(language) };
    this.#root.replaceChildren(element("div", { class: "root", ...speech }, this.#launcher, this.#panel.node));
  }

  #actions() {
    return {
      send: (text) => this.#conversation.send(text),
      sendAgain: (entry) => this.#conversation.sendAgain(entry),
      discard: (entry) => this.#conversation.transcript.discard(entry),
      rate: (entry, isHelpful) => this.#conversation.rate(entry, isHelpful),
      stop: () => this.#conversation.stop(),
      askForPerson: () => this.#conversation.askForPerson(),
      end: () => this.#conversation.close(),
      startAgain: () => this.#startAgain(),
      minimise: () => this.minimise(),
      refresh: () => this.#refresh(),
    };
  }

  #begin() {
    this.#conversation?.forget();
    const conversation = new Conversation({
      api: this.#api,
      locale: this.#spoken,
      onChange: (entry) => this.#conversationChanged(conversation, entry),
      onProblem: (problem) => this.#panel.showProblem(problem),
      onTyping: (name) => this.#panel.showTyping(name),
      onLost: () => this.#startAgain(),
    });
    this.#conversation = conversation;
    this.#refresh();
  }

  #startAgain() {
    this.#begin();
    this.#openConversation();
    this.#panel.focus();
  }

  /** The problem of a conversation that can't be opened is shown by `onProblem`, and the next message tries again. */
  #openConversation() {
    this.#conversation.open().catch(() => {});
  }

  #showPanel() {
    this.#panel.node.hidden = false;
    this.#launcher.hidden = true;
    this.#unread.clear();
    remembered.set("panel", "open");
    this.#openConversation();
    this.#refresh();
  }

  #conversationChanged(conversation, entry) {
    if (conversation !== this.#conversation) return;
    if (entry !== null) this.#changed.add(entry);
    const isNews = entry?.state === "complete" && conversation.isLive && this.#panel.node.hidden;
    if (isNews) this.#unread.add(entry);
    this.#refresh();
  }

  /** Once a frame, however many words arrived in it. */
  #refresh() {
    if (this.#conversation === null) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      const changed = this.#changed;
      this.#changed = new Set();
      this.#panel.render(this.#conversation, changed);
      this.#renderLauncher();
    });
  }

  #renderLauncher() {
    setText(this.#badge, this.#unread.size > 0 ? this.#say("unread", { count: this.#unread.size }) : "");
    setAttributes(this.#badge, { hidden: this.#unread.size === 0 });
    setAttributes(this.#launcher, { "aria-expanded": String(!this.#panel.node.hidden) });
  }
}

customElements.define("helios-chat", HeliosChat);
