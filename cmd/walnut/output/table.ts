/**
 * Renders tables and facts within the columns of the terminal. Foreign text in a cell is
 * shown on one line without control characters.
 */
import { type Colors, escapeLine, withoutOwn } from './terminal.ts';

const GAP = '  ';
/** The last column is never narrower than this: rows become blocks instead. */
const LAST_COLUMN_MIN = 20;

/** Characters of East Asian scripts and emoji that take two columns; https://www.unicode.org/reports/tr11. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** The number of columns that `text` takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of withoutOwn(text))
    width += WIDE.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  return width;
}

/**
 * Renders rows under column headings. If they are wider than the terminal, the last column
 * is wrapped, and if that does not suffice, each row becomes a block of facts.
 */
export function renderTable(
  colors: Colors,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => row.map(escapeLine));
  const widths = head.map((name, i) => Math.max(widthOf(name), ...cells.map((row) => widthOf(row[i] ?? ''))));
  const before = sum(widths.slice(0, -1)) + GAP.length * (head.length - 1);
  const room = colors.columns - before;
  if (room < Math.min(LAST_COLUMN_MIN, widths.at(-1) ?? 0)) {
    return cells
      .map((row) =>
        renderFacts(
          colors,
          row.map((cell, i) => [head[i] ?? '', cell]),
        ),
      )
      .join('\n');
  }
  const last = head.length - 1;
  const line = (row: readonly string[]): string[] =>
    wrap(row[last] ?? '', room).map((part, i) =>
      head
        .map((_name, at) => (at === last ? part : pad(i === 0 ? (row[at] ?? '') : '', widths[at] ?? 0)))
        .join(GAP)
        .trimEnd(),
    );
  const title = head.map((name, at) => (at === last ? name : pad(name, widths[at] ?? 0))).join(GAP);
  return `${[colors.bold(title), ...cells.flatMap(line)].join('\n')}\n`;
}

/** Renders names on the left and values on the right. Values are wrapped. */
export function renderFacts(colors: Colors, facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(...facts.map(([name]) => widthOf(name)));
  const room = Math.max(LAST_COLUMN_MIN, colors.columns - width - GAP.length);
  const lines = facts.flatMap(([name, value]) =>
    wrap(escapeLine(value), room).map((part, i) =>
      `${colors.dim(pad(i === 0 ? name : '', width))}${GAP}${part}`.trimEnd(),
    ),
  );
  return `${lines.join('\n')}\n`;
}

/** Splits text into lines of at most `room` columns, at spaces if possible. */
export function wrap(text: string, room: number): string[] {
  if (widthOf(text) <= room) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= room) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = cut(word, room);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  return [...lines, line];
}

/** Splits a word into pieces that fit. A word with marked sequences is not split. */
function cut(word: string, room: number): string[] {
  if (widthOf(word) <= room || withoutOwn(word) !== word) return [word];
  const pieces = [''];
  for (const character of word) {
    const at = pieces.length - 1;
    if (widthOf(`${pieces[at]}${character}`) > room) pieces.push(character);
    else pieces[at] += character;
  }
  return pieces;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
