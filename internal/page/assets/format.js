// @ts-check
/** Numbers, durations and names as people read them. Pure. */

const UNITS = ['', 'k', 'M', 'G', 'T'];
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
/** The term of an epoch stands above its 32 random bits. */
const TERM = 2 ** 32;

/**
 * @param {number} value
 * @param {number} step
 * @param {readonly string[]} units
 */
function scaled(value, step, units) {
  let [rest, at] = [value, 0];
  while (Math.abs(rest) >= step && at < units.length - 1) {
    rest /= step;
    at += 1;
  }
  const digits = at === 0 || Math.abs(rest) >= 100 ? 0 : 1;
  const text =
    at === 0 && !Number.isInteger(rest) ? rest.toFixed(Math.abs(rest) < 10 ? 1 : 0) : rest.toFixed(digits);
  const unit = units[at];
  return unit === '' ? text : `${text} ${unit}`;
}

/** @param {number} value */
export function showCount(value) {
  return scaled(value, 1_000, UNITS);
}

/** @param {number} value */
export function showBytes(value) {
  return scaled(value, 1_024, BYTE_UNITS);
}

/** @param {number} value */
export function showWhole(value) {
  return value.toLocaleString('en-US');
}

/**
 * @param {number} many
 * @param {string} one its noun
 * @param {string} [more] what more of it are called
 */
export function showMany(many, one, more = `${one}s`) {
  return `${showWhole(many)} ${many === 1 ? one : more}`;
}

/**
 * What was done to so many within a minute, as the begin of a clause: `1 call within a minute was`.
 * @param {number} many
 * @param {string} one its noun
 * @param {string} [more] what more of it are called
 */
export function showDoneTo(many, one, more) {
  return `${showMany(many, one, more)} within a minute ${many === 1 ? 'was' : 'were'}`;
}

/**
 * How many wait, as a clause: `1 record waits`, `2 records wait`.
 * @param {number} many
 * @param {string} one its noun; more of it take an s
 */
export function showWaiting(many, one) {
  return `${showMany(many, one)} ${many === 1 ? 'waits' : 'wait'}`;
}

/**
 * True for the lag of a replica that does not know how old its data is, as before it was caught up once.
 * @param {string} lagMs
 */
export function isUnknownLag(lagMs) {
  return Number(lagMs) === Number.MAX_SAFE_INTEGER;
}

/** @param {number} ratio 0 to 1 */
export function showPercent(ratio) {
  return `${(ratio * 100).toFixed(ratio === 1 || ratio === 0 ? 0 : 1)} %`;
}

/** @param {number} ms */
export function showMs(ms) {
  if (ms < 1) return `${Math.round(ms * 1_000)} µs`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return showSpan(ms);
}

/** @param {number} ms a duration of a second or more */
export function showSpan(ms) {
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/** @param {number} ms since the Unix epoch */
export function showTime(ms) {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}

/**
 * Where the browser found the process, as `--address` of the tool takes it.
 * @param {{ protocol: string, host: string, port: string }} location
 */
export function addressOf({ protocol, host, port }) {
  const isTls = protocol === 'https:';
  const address = port === '' ? `${host}:${isTls ? 443 : 80}` : host;
  return isTls ? `https://${address}` : address;
}

/**
 * True if a header can carry this token: `fetch` refuses others without asking the server.
 * @param {string} text
 */
export function isToken(text) {
  return /^[\x21-\x7e]*$/.test(text);
}

/** What is not seen, or turns its neighbours round: controls, formats, lone surrogates, separators but one space. */
const UNSEEN = /(?! )[\p{C}\p{Z}]|(?<= ) | (?= )/gu;

/**
 * A key such that no two look alike: as it is, or quoted with escapes where spaces, or characters
 * that are not seen, would be lost, or where it could be mistaken for a quoted key.
 * @param {string} key
 */
export function showKey(key) {
  if (key !== '' && key.search(UNSEEN) === -1 && !/^[ "]| $/.test(key)) return key;
  const escaped = (/** @type {string} */ one) =>
    [...Array(one.length).keys()]
      .map((at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join('');
  return JSON.stringify(key).replace(UNSEEN, escaped);
}

/** @param {{ epoch?: string | number, lsn?: string | number } | undefined} position */
export function termOf(position) {
  return Math.floor(Number(position?.epoch ?? 0) / TERM);
}

/** @param {{ epoch?: string | number, lsn?: string | number } | undefined} position */
export function lsnOf(position) {
  return Number(position?.lsn ?? 0);
}

/**
 * A name of an enum in words: `NODE_STATE_CATCHING_UP` is `catching up`.
 * @param {string | undefined} name
 * @param {string} prefix
 */
export function showEnum(name, prefix) {
  const own = name?.startsWith(prefix) ? name.slice(prefix.length) : (name ?? '');
  return own.toLowerCase().replaceAll('_', ' ');
}
