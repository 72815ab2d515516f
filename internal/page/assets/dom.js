/** Elements made of plain data. Text is always text: nothing that a server says becomes markup. */

export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element #${id}`);
  return found;
}

/** `attributes`: by name; a function is a listener of the event of that name. Children that are undefined are left out. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(name, value);
    else if (typeof value === 'boolean') made.toggleAttribute(name, value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A table with a caption for screen readers; `rows` are lists of texts or elements, the first of which heads the row. */
export function table(caption, head, rows) {
  const headRow = el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)));
  const body = rows.map(([first, ...rest]) =>
    el('tr', {}, el('th', { scope: 'row' }, first), ...rest.map((cell) => el('td', {}, cell))),
  );
  return el(
    'table',
    {},
    el('caption', { class: 'hidden' }, caption),
    el('thead', {}, headRow),
    el('tbody', {}, ...body),
  );
}

/** Says something politely to a screen reader, and only if it is new. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Gives `place` these children, but keeps every element that is there already and changes only what
 * is new in it: so the focus, and where a screen reader is, stay. Listeners are not carried over.
 */
export function update(place, ...children) {
  if (place.childNodes.length === children.length)
    children.forEach((child, at) => void patch(place.childNodes[at], child));
  else place.replaceChildren(...children);
}

function patch(old, made) {
  if (old.nodeName !== made.nodeName || old.childNodes.length !== made.childNodes.length) {
    old.replaceWith(made);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of made.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  [...made.childNodes].forEach((child, at) => void patch(old.childNodes[at], child));
}
