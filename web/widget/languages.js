/** In which language the page speaks, and how it runs. */

const RIGHT_TO_LEFT = new Set(["ar"]);

/** The first of the customer's languages that a table has, else English. */
export function preferredLanguage(table, wanted = navigator.languages) {
  return wanted.map((each) => each.slice(0, 2).toLowerCase()).find((each) => each in table) ?? "en";
}

/** @returns {(key: string, values?: object) => string} throws for a text that is not there */
export function speaker(table, language) {
  return (key, values = {}) => {
    const template = table[language][key];
    if (template === undefined) throw new Error(`no text "${key}" in ${language}`);
    return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };
}

/** @returns {"ltr" | "rtl"} how a language is written */
export function directionOf(language) {
  return RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
}
