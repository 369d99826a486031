/** Elements made one by one: whatever a person or a model wrote becomes a text node, nothing else. */

/**
 * @param {string} tag
 * @param {object} attributes `on: {click: …}` adds listeners; true and false set and leave out boolean attributes
 * @param {...(Node | string | null)} children
 */
export function element(tag, attributes = {}, ...children) {
  const { on = {}, ...rest } = attributes;
  const node = document.createElement(tag);
  setAttributes(node, rest);
  for (const [type, listener] of Object.entries(on)) node.addEventListener(type, listener);
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
  }
}

/** Changes the text only where it differs: screen readers and selections notice even the same text set again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Words for those who do not see the shape. */
export function hidden(text) {
  return element("span", { class: "unseen" }, text);
}
