// @ts-check
/** Reads server-sent events (WHATWG HTML, 9.2) from pieces of text. Pure. */

/**
 * @typedef {object} ServerEvent
 * @property {string} type `message` where the server gives no type
 * @property {string} data
 */

/** The text of one event may not grow without end. */
const EVENT_CHARS_MAX = 32 * 1_024 * 1_024;

export class EventReader {
  #rest = '';

  /**
   * @param {string} piece
   * @returns {ServerEvent[]} the events that this piece completes
   */
  push(piece) {
    const blocks = (this.#rest + piece).replaceAll('\r\n', '\n').split('\n\n');
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > EVENT_CHARS_MAX) throw new Error('an event of the server is larger than 32 MiB');
    return blocks.map(eventOf).filter(({ data }) => data !== '');
  }
}

/**
 * @param {string} block
 * @returns {ServerEvent}
 */
function eventOf(block) {
  let type = 'message';
  const data = [];
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') type = value;
    if (name === 'data') data.push(value);
  }
  return { type, data: data.join('\n') };
}
