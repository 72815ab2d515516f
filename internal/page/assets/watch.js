/** The view of a watch: changes of keys with a prefix as they happen, the newest first. */
import { describe, follow } from './connection.js';
import { byId, el, say, table } from './dom.js';
import { lsnOf, showEnum, showTime, showWhole, termOf } from './format.js';
import { bytesOf, showValue } from './values.js';

/** Older changes are dropped. */
const ROWS_MAX = 200;
const VALUE_CHARS = 80;
/** A busy prefix must not keep the browser drawing. */
const DRAW_EVERY_MS = 250;

export class WatchView {
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
    for (const event of events) this.#rows.unshift(event);
    this.#rows.length = Math.min(this.#rows.length, ROWS_MAX);
    if (events.length === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#draw(withValues);
    }, DRAW_EVERY_MS);
  }

  #draw(withValues) {
    const head = ['Key', 'What', 'Why', 'When', 'Term / LSN', ...(withValues ? ['Value'] : [])];
    const rows = this.#rows.map((event) => [
      event.key,
      showEnum(event.op, 'OP_'),
      showEnum(event.cause, 'CAUSE_'),
      event.timestampMs === undefined ? '–' : showTime(Number(event.timestampMs)),
      `${termOf(event.version)} / ${showWhole(lsnOf(event.version))}`,
      ...(withValues ? [preview(event)] : []),
    ]);
    byId('watch-list').replaceChildren(
      ...(rows.length === 0 ? [] : [table('Changes, the newest first', head, rows)]),
    );
  }
}

function preview({ op, value = '' }) {
  if (op !== 'OP_SET') return '';
  const { form, text, isCut } = showValue(bytesOf(value), VALUE_CHARS);
  return el('code', {}, form === 'text' ? text : text.replace(/^\S+ +|\s{2}\S*$/gm, ''), isCut ? '…' : '');
}
