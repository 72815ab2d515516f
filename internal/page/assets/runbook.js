/** The dialog with a runbook: a section of the manuals, which the server brings along. */
import { byId, el, table } from './dom.js';
import { blocksOf } from './markdown.js';

const dialog = byId('runbook');
/** Sections by `docs/FILE#ANCHOR`. */
let sections;
let reading;

// It scrolls, so the keyboard must reach it.
byId('runbook-text').tabIndex = 0;
byId('runbook-close').addEventListener('click', () => dialog.close());

/** Reads the runbooks while the server answers: the one for a server that does not is wanted when it is too late. */
export async function keepRunbooks() {
  reading ??= read();
  try {
    sections = await reading;
  } catch {
    reading = undefined;
  }
}

async function read() {
  return (await fetch('page/runbooks.json')).json();
}

/** `name`: `docs/FILE#ANCHOR`. */
export async function showRunbook(name) {
  try {
    sections ??= await read();
    const { title, text } = sections[name] ?? { title: name, text: 'The manuals have no such section.' };
    fill(title, text, name);
  } catch (error) {
    fill('Runbook', `The runbook cannot be read: ${error.message}`, name);
  }
  if (!dialog.open) dialog.showModal();
  byId('runbook-text').scrollTop = 0;
}

function fill(title, text, name) {
  byId('runbook-title').textContent = title;
  byId('runbook-text').replaceChildren(...blocksOf(text).map((block) => elementOf(block, name)));
}

function elementOf(block, name) {
  const spans = (list) => list.map((span) => spanOf(span, name));
  switch (block.kind) {
    case 'p':
      return el('p', {}, ...spans(block.spans));
    case 'h':
      return el('h3', {}, ...spans(block.spans));
    case 'pre':
      return el('pre', { tabindex: '0' }, block.text);
    case 'table':
      return table(
        'Table',
        block.head.map((cell) => wrap(spans(cell))),
        block.rows.map((row) => row.map((cell) => wrap(spans(cell)))),
      );
    default:
      return el(block.kind, {}, ...block.items.map((item) => el('li', {}, ...spans(item))));
  }
}

function wrap(children) {
  return el('span', {}, ...children);
}

/** A link to a section that is here shows it; any other link is its text, as there is no other server to ask. */
function spanOf(span, name) {
  if (span.kind === 'text') return span.text;
  if (span.kind !== 'link') return el(span.kind, {}, span.text.replaceAll('`', ''));
  const target = targetOf(span.to, name);
  const label = span.text.replaceAll('`', '');
  if (target === undefined) return label;
  return el('button', { type: 'button', class: 'inline', click: () => void showRunbook(target) }, label);
}

function targetOf(to, name) {
  const [file, anchor] = to.split('#');
  if (anchor === undefined || to.includes(':')) return undefined;
  const target = file === '' ? `${name.split('#')[0]}#${anchor}` : `docs/${file}#${anchor}`;
  return sections !== undefined && Object.hasOwn(sections, target) ? target : undefined;
}
