/** The view of keys: a list by prefix, and of one key what is known of it. A value is only ever text. */
import { call, describe, read } from './connection.js';
import { byId, el, say, table } from './dom.js';
import { lsnOf, showBytes, showEnum, showKey, showSpan, showTime, showWhole, termOf } from './format.js';
import { bytesOf, showValue } from './values.js';

const PAGE = 100;
/** A longer list is of no use to a reader, and the prefix can be longer. */
const ROWS_MAX = 2_000;
/** A larger value comes to no page. */
const VALUE_BYTES_MAX = 65_536;

export class KeysView {
  /** Ends what an earlier list or choice still fetches. */
  #list = new AbortController();
  #choice = new AbortController();
  #prefix = '';
  #cursor = '';
  #rows = [];

  constructor() {
    byId('keys-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#prefix = byId('keys-prefix').value;
      this.#cursor = '';
      this.#rows = [];
      byId('keys-detail').replaceChildren();
      void this.#more();
    });
  }

  /** The view is shown: it lists by itself once. */
  open() {
    if (this.#rows.length === 0) byId('keys-form').requestSubmit();
  }

  clear() {
    this.#list.abort();
    this.#choice.abort();
    this.#rows = [];
    this.#cursor = '';
    for (const id of ['keys-said', 'keys-list', 'keys-detail']) byId(id).replaceChildren();
  }

  async #more() {
    this.#list.abort();
    this.#list = new AbortController();
    const { signal } = this.#list;
    const query = new URLSearchParams({
      prefix: this.#prefix,
      limit: String(PAGE),
      keys_only: 'true',
      with_modified: 'true',
    });
    if (this.#cursor !== '') query.set('cursor', this.#cursor);
    say(byId('keys-said'), 'Reading…');
    try {
      const { entries = [], nextCursor = '' } = await read(`v1/keys?${query}`, signal);
      this.#rows.push(...entries);
      this.#cursor = this.#rows.length >= ROWS_MAX ? '' : nextCursor;
      this.#show(nextCursor !== '');
    } catch (error) {
      if (!signal.aborted) say(byId('keys-said'), describe(error));
    }
  }

  #show(hasMore) {
    const now = Date.now();
    const rows = this.#rows.map(({ key, expireAtMs, version, modifiedMs, contentType = '' }) => [
      el('button', { type: 'button', class: 'inline', click: () => void this.#choose(key) }, showKey(key)),
      expiry(expireAtMs, now),
      el('span', { class: 'moment' }, modifiedMs === undefined ? '–' : showTime(Number(modifiedMs))),
      `${termOf(version)} / ${showWhole(lsnOf(version))}`,
      contentType,
    ]);
    const more =
      this.#cursor === ''
        ? undefined
        : el('button', { type: 'button', click: () => void this.#more() }, 'More keys');
    const list = table(
      'Keys by prefix',
      ['Key', 'Expires in', 'Written', 'Term / LSN', 'Content type'],
      rows,
    );
    byId('keys-list').replaceChildren(
      ...(rows.length === 0 ? [] : [list]),
      ...(more === undefined ? [] : [more]),
    );
    const many = `${showWhole(rows.length)} ${rows.length === 1 ? 'key' : 'keys'}`;
    say(byId('keys-said'), aboutOf(many, hasMore, this.#cursor !== ''));
  }

  async #choose(key) {
    this.#choice.abort();
    this.#choice = new AbortController();
    const { signal } = this.#choice;
    const place = byId('keys-detail');
    const title = el('h3', { tabindex: '-1' }, showKey(key));
    place.replaceChildren(title, el('p', {}, 'Reading…'));
    title.focus();
    try {
      const told = await call('KVStore/Explain', { key }, signal);
      const value = el('div', {});
      place.replaceChildren(title, ...explanation(told), ...valuePart(key, told, value, signal));
    } catch (error) {
      if (!signal.aborted) place.replaceChildren(title, el('p', { class: 'error' }, describe(error)));
    }
  }
}

function aboutOf(many, hasMore, hasButton) {
  if (!hasMore) return `${many}, in no order.`;
  return `${many}, and more follow: choose a longer prefix${hasButton ? ', or go on' : ': a page lists no more than these'}.`;
}

function expiry(expireAtMs, now) {
  const at = Number(expireAtMs ?? 0);
  if (at === 0) return 'never';
  return at <= now ? 'expired' : showSpan(at - now);
}

function explanation({
  summary,
  found,
  valueBytes,
  memoryBytes,
  expireAtMs,
  version,
  changes = [],
  sets,
  deletes,
  searchedFrom,
  complete,
}) {
  const facts = [
    ['Value', found ? showBytes(Number(valueBytes ?? 0)) : 'none'],
    ['Memory', found ? showBytes(Number(memoryBytes ?? 0)) : 'none'],
    ['Expires in', found ? expiry(expireAtMs, Date.now()) : '–'],
    ['Term / LSN', found ? `${termOf(version)} / ${showWhole(lsnOf(version))}` : '–'],
    [
      'Sets and deletes',
      `${showWhole(Number(sets ?? 0))} and ${showWhole(Number(deletes ?? 0))}, of the log from LSN ${showWhole(lsnOf(searchedFrom))}${complete ? '' : ', where the search ended'}`,
    ],
  ];
  const rows = changes
    .toReversed()
    .map((change) => [
      showTime(Number(change.timestampMs ?? 0)),
      showEnum(change.op, 'OP_'),
      showEnum(change.cause, 'CAUSE_'),
      `${termOf(change.version)} / ${showWhole(lsnOf(change.version))}`,
    ]);
  return [
    el('p', {}, summary),
    table('What is known of the key', ['Figure', 'Now'], facts),
    el('h4', {}, 'Last changes'),
    rows.length === 0
      ? el('p', {}, 'The log here has none.')
      : table('Last changes', ['When', 'What', 'Why', 'Term / LSN'], rows),
  ];
}

function valuePart(key, { found, valueBytes = 0 }, place, signal) {
  if (!found) return [];
  if (Number(valueBytes) > VALUE_BYTES_MAX)
    return [
      el(
        'p',
        {},
        `The value has ${showBytes(Number(valueBytes))}, which is more than a page shows. `,
        el('code', {}, 'walnut get KEY > FILE'),
        ' writes it to a file.',
      ),
    ];
  const show = () => void showIn(place, key, signal);
  return [el('button', { type: 'button', click: show }, 'Show the value'), place];
}

async function showIn(place, key, signal) {
  try {
    const { value = '', contentType = '' } = await call('KVStore/Get', { key }, signal);
    const { form, text, isCut } = showValue(bytesOf(value));
    const about = `${contentType === '' ? 'No content type' : contentType}, shown as ${form}${isCut ? ', the first 4 KiB' : ''}`;
    place.replaceChildren(
      el('p', { class: 'muted' }, about),
      el('pre', { tabindex: '0', 'aria-label': 'Value' }, text),
    );
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(el('p', { class: 'error' }, describe(error)));
  }
}
