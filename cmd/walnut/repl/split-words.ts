/**
 * Splits a line into words as a POSIX shell does, without anything else that a shell does.
 * A shell's operators outside of quotes are refused rather than taken for words. Pure.
 */

export interface SplitWord {
  readonly text: string;
  /** The offset in the line at which the word begins. */
  readonly at: number;
}

export interface SplitLine {
  readonly words: readonly SplitWord[];
  /** True if the line ends within the last word, which is then still being typed. */
  readonly isOpen: boolean;
}

export interface BadLine {
  /** What is wrong, and where. */
  readonly problem: string;
}

/** Characters that a word may be made of without quotes; of the others each stands behind a backslash. */
const PLAIN = /[^A-Za-z0-9_@%+=:,./\u0080-\uffff-]/g;
const OPERATOR = /^[|&;<>]/;
/** Before any other character a backslash within double quotes stands for itself (POSIX 2.2.3). */
const ESCAPED_IN_DOUBLE_QUOTES = /["\\$`\n]/;

/** The words of a line. What follows a `#` at the beginning of a word is a comment. */
export function splitWords(line: string): SplitLine | BadLine {
  const words: SplitWord[] = [];
  let end = -1;
  for (let at = 0; ; ) {
    while (isSpace(line[at])) at++;
    const first = line[at];
    if (first === undefined || first === '#') return { words, isOpen: end === line.length };
    if (OPERATOR.test(first)) return { problem: describeOperator(first, at) };
    const word = readWord(line, at);
    if ('problem' in word) return word;
    words.push({ text: word.text, at });
    at = end = word.next;
  }
}

/** The word as `splitWords` reads it back. */
export function quoteWord(text: string): string {
  return text === '' ? "''" : text.replace(PLAIN, '\\$&');
}

function readWord(line: string, from: number): { text: string; next: number } | BadLine {
  let text = '';
  let quote = '';
  let quotedAt = 0;
  let at = from;
  for (; at < line.length; at++) {
    const character = line[at] as string;
    if (quote === '' && (isSpace(character) || OPERATOR.test(character))) break;
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      quotedAt = at;
    } else if (character === '\\' && quote !== "'") {
      if (++at === line.length)
        return { problem: 'a backslash ends the line: expected a character behind it' };
      const next = line[at] as string;
      text += quote === '"' && !ESCAPED_IN_DOUBLE_QUOTES.test(next) ? `\\${next}` : next;
    } else text += character;
  }
  if (quote !== '')
    return { problem: `the quote at column ${quotedAt + 1} is not closed: expected another ${quote}` };
  return { text, next: at };
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

function describeOperator(operator: string, at: number): string {
  return (
    `${operator} at column ${at + 1} means something to a shell only: ` +
    `expected words; for the character itself type '${operator}'`
  );
}
