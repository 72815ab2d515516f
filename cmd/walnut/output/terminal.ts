/**
 * Guards the terminal. Foreign text (answers of nodes, file names, values) can contain
 * sequences that a terminal obeys, so every control character is escaped, except in text
 * that `own` marks as the tool's.
 */
import type { CliIo } from '../cli-io.ts';

/** Control characters, format characters such as marks of direction, and separators of lines. */
const OBEYED = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Encloses the tool's own sequences. It is random, so that foreign text cannot contain it. */
const MARK = `\u0000${Math.random().toString(36).slice(2)}\u0000`;

/** Marks a sequence that the terminal shall obey. Only for text that passes through `guardTerminal`. */
export function own(sequence: string): string {
  return `${MARK}${sequence}${MARK}`;
}

/** Takes the cursor to the top left corner and empties the screen. */
export const CLEAR_SCREEN = own('\u001b[H\u001b[2J');

/** Escapes control characters as `\u001b`. Tabs and newlines stay. */
export function escapeControls(text: string): string {
  return text.replace(OBEYED, toEscape);
}

/**
 * Like `escapeControls`, and escapes tabs and newlines as `\t` and `\n`, so that nothing in
 * the text can pass for another line.
 */
export function escapeLine(text: string): string {
  return mapForeign(text, (part) => escapeControls(part).replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
}

/** The visible part of `text`, without marked sequences. */
export function withoutOwn(text: string): string {
  return mapParts(text, (part) => part, dropped);
}

/** Escapes as JSON does, so that JSON output stays valid. */
function toEscape(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

function dropped(): string {
  return '';
}

/** Applies a function to all text outside the marks. */
function mapForeign(text: string, map: (part: string) => string): string {
  return mapParts(text, map, own);
}

function mapParts(text: string, foreign: (part: string) => string, ours: (part: string) => string): string {
  return text
    .split(MARK)
    .map((part, i) => (i % 2 === 0 ? foreign(part) : ours(part)))
    .join('');
}

/**
 * Wraps `io` so that a terminal obeys only marked sequences. Bytes are written unchanged,
 * and so is everything if the output is not a terminal.
 */
export function guardTerminal(io: CliIo): CliIo {
  const clean = (text: string): string => mapParts(text, escapeControls, (sequence) => sequence);
  return {
    ...io,
    write: (chunk) => io.write(io.isOutTerminal && typeof chunk === 'string' ? clean(chunk) : chunk),
    note: (text) => io.note(io.isErrTerminal ? clean(text) : text),
  };
}

/** How text is shown: colours and line width. */
export interface Colors {
  /** Columns of a line; Infinity if the output is not a terminal, so that each row is one line. */
  readonly columns: number;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** No colours and no line width. */
export const PLAIN: Colors = {
  columns: Number.POSITIVE_INFINITY,
  bold: (text) => text,
  dim: (text) => text,
  red: (text) => text,
  green: (text) => text,
  yellow: (text) => text,
};

/** Used if the terminal does not state its width. */
const COLUMNS_DEFAULT = 80;

/** True if what was shown can be replaced by what is newer. */
export function canErase({ env }: CliIo, isTerminal: boolean): boolean {
  return isTerminal && env.TERM !== 'dumb';
}

/** Colours are used on a terminal only, and not if NO_COLOR (https://no-color.org) is set. */
export function chooseColors(io: CliIo, isTerminal: boolean): Colors {
  const hasColors = canErase(io, isTerminal) && (io.env.NO_COLOR ?? '') === '';
  const paint = (on: number, off: number) => (text: string) =>
    hasColors ? `${own(`\u001b[${on}m`)}${text}${own(`\u001b[${off}m`)}` : text;
  return {
    columns: isTerminal ? (io.columns ?? COLUMNS_DEFAULT) : Number.POSITIVE_INFINITY,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  };
}
