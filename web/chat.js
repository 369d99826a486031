/** The demo bank's page: its texts in the visitor's language, and the chat widget with a token from the bank. */

import { PAGE_TEXTS } from "./chat/texts.js";
import { tokensFrom } from "./widget/api.js";
import { newId } from "./widget/ids.js";
import { directionOf, preferredLanguage, speaker } from "./widget/languages.js";

const CUSTOMER = "meridian-customer";
const SUGGESTED = ["question_abroad", "question_charge", "question_transfer"];

const language = preferredLanguage(PAGE_TEXTS);
const say = speaker(PAGE_TEXTS, language);
const chat = document.querySelector("helios-chat");

/** A visitor of the demo is a customer of the demo bank, the same one at the next visit. */
function externalId() {
  try {
    const known = localStorage.getItem(CUSTOMER) ?? `web-${newId()}`;
    localStorage.setItem(CUSTOMER, known);
    return known;
  } catch {
    // A browser that forbids storage: a customer for this page only.
    return `web-${newId()}`;
  }
}

function translate() {
  document.documentElement.lang = language;
  document.documentElement.dir = directionOf(language);
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = say(node.dataset.label);
}

translate();
chat.getToken = tokensFrom("/demo/session", { external_id: externalId() });
chat.suggestions = SUGGESTED.map((key) => say(key));
document.querySelector("#open-chat").addEventListener("click", () => chat.open());
for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => chat.ask(say(button.dataset.ask)));
}
