/** Icons as strokes on a grid of 24. They say nothing to a screen reader: their button's label does. */

const NAMESPACE = "http://www.w3.org/2000/svg";

const PATHS = {
  chat: "M4 5.5h16v11H11l-4.5 3.5v-3.5H4z",
  send: "M12 19V5M6 11l6-6 6 6",
  down: "M6 9.5l6 6 6-6",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  person: "M12 12a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2zM4.8 19.6c.9-3.4 3.7-5.2 7.2-5.2s6.3 1.8 7.2 5.2",
  info: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 11v5.2M12 7.6v.3",
  alert: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 7.4v5.6M12 16.2v.2",
  check: "M5.5 12.5l4.2 4.2 8.8-9.2",
  clock: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 7.5V12l3 2",
  up: "M7 20H4.5v-9.5H7m0 9.5v-9.5m0 9.5h9.1c1 0 1.8-.7 2-1.6l1.3-6c.3-1.2-.7-2.4-2-2.4h-4.2l.7-3.6c.2-1.1-.6-2.1-1.7-2.1L7 10.5",
  quote: "M10 8.5c-2.6.6-4.2 2.4-4.2 5.2 0 1.6.9 2.8 2.3 2.8s2.2-1 2.2-2.2-.9-2.2-2.1-2.2M18.6 8.5c-2.6.6-4.2 2.4-4.2 5.2 0 1.6.9 2.8 2.3 2.8s2.2-1 2.2-2.2-.9-2.2-2.1-2.2",
  meridian: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 3.5c3 2.3 4.4 5.1 4.4 8.5s-1.4 6.2-4.4 8.5c-3-2.3-4.4-5.1-4.4-8.5s1.4-6.2 4.4-8.5z",
};

export function icon(name, className = "") {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon ${className}`.trim());
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
