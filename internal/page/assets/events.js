// @ts-check
/** Reads server-sent events (WHATWG HTML, 9.2) from pieces of text. Pure. */

/**
 * @typedef {object} ServerEvent
 * @property {string} type `message` where the server gives no type
 * @property {string} data
 */

/** The text of one event may not grow without end. */
const EVENT_CHARS_MAX = 32 * 1_024 * 1_024;

/** The end of a piece that, with the start of the next one, may be the end of an event. */
const OPEN_END = /(?<!\n)\n?\r?$/;

export class EventReader {
  /**
   * The pieces of the event that has begun, without those ends of lines that the next piece decides
   * about. They are joined once: searching them again with each piece takes the square of their length.
   * @type {string[]}
   */
  #parts = [];
  #chars = 0;
  #end = '';

  /**
   * @param {string} piece
   * @returns {ServerEvent[]} the events that this piece completes
   */
  push(piece) {
    const text = (this.#end + piece).replaceAll('\r\n', '\n');
    this.#end = OPEN_END.exec(text)?.[0] ?? '';
    const blocks = text.slice(0, text.length - this.#end.length).split('\n\n');
    const rest = blocks.pop() ?? '';
    if (blocks.length > 0) {
      blocks[0] = this.#parts.join('') + blocks[0];
      this.#parts = [];
      this.#chars = 0;
    }
    this.#parts.push(rest);
    this.#chars += rest.length;
    if (this.#chars > EVENT_CHARS_MAX) throw new Error('an event of the server is larger than 32 MiB');
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
