/** The view of a watch: changes of keys with a prefix as they happen, the newest first. */
import { describe, follow } from './connection.js';
import { byId, el, say, table } from './dom.js';
import { lsnOf, showEnum, showKey, showTime, showWhole, termOf } from './format.js';
import { previewOf } from './values.js';

/** Older changes are dropped. */
const ROWS_MAX = 200;
/** A busy prefix must not keep the browser drawing. */
const DRAW_EVERY_MS = 250;
/** The column of values, where they are watched. */
const VALUE_AT = 5;

export class WatchView {
  /** The cells of each row: a value of megabytes is not kept for its preview. */
  #rows = [];
  #told = 0;
  /** Undefined while nothing is watched. */
  #aborter;
  #timer;

  constructor() {
    byId('watch-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#aborter === undefined) void this.#run();
      else this.stop();
    });
  }

  /** Also called when the caller logs out. */
  stop() {
    this.#aborter?.abort();
  }

  clear() {
    this.stop();
    this.#rows = [];
    for (const id of ['watch-said', 'watch-list']) byId(id).replaceChildren();
  }

  async #run() {
    const aborter = new AbortController();
    const withValues = byId('watch-values').checked;
    const query = new URLSearchParams({ prefix: byId('watch-prefix').value, keys_only: String(!withValues) });
    this.#aborter = aborter;
    this.#rows = [];
    this.#told = 0;
    this.#label('Stop');
    let end;
    try {
      const open = () => say(byId('watch-said'), 'Watching. Changes appear here.');
      const last = await follow(
        `v1/watch?${query}`,
        aborter.signal,
        (message) => this.#take(message, withValues),
        open,
      );
      end =
        last === undefined
          ? 'The server ended the watch.'
          : `The watch ended: ${last.message} (${last.code})`;
    } catch (error) {
      end = aborter.signal.aborted ? 'Stopped.' : describe(error);
    }
    this.#aborter = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#draw(withValues);
    this.#label('Watch');
    say(byId('watch-said'), `${end} ${showWhole(this.#told)} changes were told.`);
  }

  #label(text) {
    byId('watch-start').textContent = text;
  }

  #take({ events = [] }, withValues) {
    this.#told += events.length;
    const newest = events.slice(-ROWS_MAX).map((event) => cellsOf(event, withValues));
    this.#rows = [...newest.reverse(), ...this.#rows].slice(0, ROWS_MAX);
    if (events.length === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#draw(withValues);
    }, DRAW_EVERY_MS);
  }

  #draw(withValues) {
    const head = ['Key', 'What', 'Why', 'When', 'Term / LSN', ...(withValues ? ['Value'] : [])];
    const rows = this.#rows.map((cells) =>
      cells.map((text, at) => (at < VALUE_AT ? text : el('code', {}, text))),
    );
    byId('watch-list').replaceChildren(
      ...(rows.length === 0 ? [] : [table('Changes, the newest first', head, rows)]),
    );
  }
}

function cellsOf({ key, op, cause, timestampMs, version, value = '' }, withValues) {
  return [
    showKey(key),
    showEnum(op, 'OP_'),
    showEnum(cause, 'CAUSE_'),
    timestampMs === undefined ? '–' : showTime(Number(timestampMs)),
    `${termOf(version)} / ${showWhole(lsnOf(version))}`,
    ...(withValues ? [op === 'OP_SET' ? previewOf(value) : ''] : []),
  ];
}
