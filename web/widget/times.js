/** Moments as the customer reads them. */

/** As the bank's messages write months and digits. */
const DATES = { en: "en-US", ar: "ar-u-nu-latn" };
/** Each knows short names of other zones. */
const NAMES_OF_ZONES = ["en-US", "en-GB"];

/** A time as people say it: without the date where it is today. */
export function localTime(date, locale) {
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { weekday: "short", day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(locale, { ...day, hour: "numeric", minute: "2-digit" }).format(date);
}

/**
 * A deadline as the bank's messages write it: `24 Nov 2026, 10:00 (EST)`. It stands beside them, so it must read the same.
 *
 * @param {string | null | undefined} zone the bank's; where it is not known, the customer's own, which is named then
 */
export function deadline(date, language, zone) {
  const write = (locale, options) => new Intl.DateTimeFormat(locale, { timeZone: zone ?? undefined, ...options });
  const day = partsOf(write(DATES[language] ?? language, { day: "numeric", month: "short", year: "numeric" }), date);
  const dot = language === "de" ? "." : "";
  const time = write("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(date);
  return `${day.day}${dot} ${day.month} ${day.year}, ${time} (${zoneName(write, date)})`;
}

function zoneName(write, date) {
  const names = NAMES_OF_ZONES.map((locale) => partsOf(write(locale, { timeZoneName: "short" }), date).timeZoneName);
  return names.find((name) => !name.startsWith("GMT")) ?? names[0];
}

function partsOf(format, date) {
  return Object.fromEntries(format.formatToParts(date).map(({ type, value }) => [type, value]));
}
