/**
 * What may reach a terminal. Text that comes from outside (answers of nodes,
 * file names, values) can hold sequences that a terminal obeys, so every control
 * character is escaped there, except in what `own` marks as the tool's.
 */
import type { CliIo } from '../cli-io.ts';

/** Control characters, format characters such as marks of direction, and separators of lines. */
const OBEYED = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Around what is the tool's own; nobody outside can know it. */
const MARK = `\u0000${Math.random().toString(36).slice(2)}\u0000`;

/** Marks a sequence that a terminal is to obey. Only for text that `guardTerminal` sees. */
export function own(sequence: string): string {
  return `${MARK}${sequence}${MARK}`;
}

/** `text` with control characters as `\u001b`; tabs and newlines stay. */
export function escapeControls(text: string): string {
  return text.replace(OBEYED, toEscape);
}

/** The same with tabs and newlines as `\t` and `\n`: nothing in it can pass for another line. */
export function escapeLine(text: string): string {
  return mapForeign(text, (part) => escapeControls(part).replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
}

/** What is seen of `text`, without marked sequences. */
export function withoutOwn(text: string): string {
  return mapParts(text, (part) => part, dropped);
}

/** As JSON escapes it, so that JSON stays JSON. */
function toEscape(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

function dropped(): string {
  return '';
}

/** Maps what is not the tool's own, and leaves the marks. */
function mapForeign(text: string, map: (part: string) => string): string {
  return mapParts(text, map, own);
}

function mapParts(text: string, foreign: (part: string) => string, ours: (part: string) => string): string {
  return text
    .split(MARK)
    .map((part, i) => (i % 2 === 0 ? foreign(part) : ours(part)))
    .join('');
}

/** `io` that lets a terminal obey only what is marked. Bytes, and whatever is no terminal, get all as it is. */
export function guardTerminal(io: CliIo): CliIo {
  const clean = (text: string): string => mapParts(text, escapeControls, (sequence) => sequence);
  return {
    ...io,
    write: (chunk) => io.write(io.isOutTerminal && typeof chunk === 'string' ? clean(chunk) : chunk),
    note: (text) => io.note(io.isErrTerminal ? clean(text) : text),
  };
}

/** How text is shown: its colours and the width of a line. */
export interface Colors {
  /** Columns of a line; Infinity where the reader is no terminal: a row is then one line. */
  readonly columns: number;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** No colours, and lines as long as they are. */
export const PLAIN: Colors = {
  columns: Number.POSITIVE_INFINITY,
  bold: (text) => text,
  dim: (text) => text,
  red: (text) => text,
  green: (text) => text,
  yellow: (text) => text,
};

/** Of a terminal that does not say. */
const COLUMNS_DEFAULT = 80;

/** Colours only on a terminal, and not where NO_COLOR (https://no-color.org) is set. */
export function chooseColors(io: CliIo, isTerminal: boolean): Colors {
  const hasOptedOut = (io.env.NO_COLOR ?? '') !== '' || io.env.TERM === 'dumb';
  const paint = (on: number, off: number) => (text: string) =>
    isTerminal && !hasOptedOut ? `${own(`\u001b[${on}m`)}${text}${own(`\u001b[${off}m`)}` : text;
  return {
    columns: isTerminal ? (io.columns ?? COLUMNS_DEFAULT) : Number.POSITIVE_INFINITY,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  };
}
