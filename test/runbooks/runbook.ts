/**
 * Reads the commands of a section of docs/operations.md from its text, so that document and
 * test cannot differ. The tests run them in their order. A command that no test runs is a
 * failure, too (`untyped`).
 */
import { codeBlocksOf, shellCommandsOf } from '#test/doubles/markdown.ts';
import { type Ran, runCli } from '../cli/memory-io.ts';
import { readText } from '../house/source-files.ts';

const DOCUMENT = readText('docs/operations.md');

export interface StatedCommand {
  readonly text: string;
  /** The line in the document, from 1. */
  readonly line: number;
}

interface Section {
  readonly heading: string;
  readonly commands: readonly StatedCommand[];
}

/**
 * The sections under "Runbooks", each with every `walnut …` in it, inline or in a block, in
 * the order of the text.
 */
export const SECTIONS: readonly Section[] = sectionsOf(DOCUMENT, 'Runbooks');

const typed = new Set<number>();

/** Sections of which a test has run a command, with the commands that no test has run. */
export function untyped(): string[] {
  return SECTIONS.flatMap(({ heading, commands }) =>
    commands
      .filter(({ line, text }) => !typed.has(keyOf(line, text)))
      .map(({ text, line }) => `${heading}, line ${line}: ${text}`),
  );
}

/** One way through a section, from the first symptom to health. */
export class Runbook {
  readonly #commands: readonly StatedCommand[];
  #next = 0;

  constructor(heading: string) {
    const section = SECTIONS.find((one) => one.heading === heading);
    if (section === undefined) throw new Error(`docs/operations.md has no runbook "${heading}"`);
    this.#commands = section.commands;
  }

  /**
   * Types the next command of the section that begins with `walnut` and `begin`;
   * with a `$` at its end, that is just this.
   * `places`: what stands for the words in capitals; `WALNUT_ADDRESS` is the
   * environment's. Optional parts, in brackets, are left out; `more` comes last.
   */
  async type(begin: string, places: Readonly<Record<string, string>>, ...more: string[]): Promise<Ran> {
    const at = this.#commands.findIndex(
      ({ text }, i) =>
        i >= this.#next &&
        (begin.endsWith('$') ? `walnut ${begin}` === `${text}$` : `${text} `.startsWith(`walnut ${begin} `)),
    );
    const command = this.#commands[at];
    if (command === undefined) throw new Error(`the runbook states no further command: walnut ${begin}`);
    this.#next = at + 1;
    typed.add(keyOf(command.line, command.text));
    const args = [...argumentsOf(command.text, places), ...more];
    const env = places['WALNUT_ADDRESS'] === undefined ? {} : { WALNUT_ADDRESS: places['WALNUT_ADDRESS'] };
    return runCli(args, { env });
  }
}

function keyOf(line: number, text: string): number {
  return SECTIONS.flatMap(({ commands }) => commands).findIndex(
    (one) => one.line === line && one.text === text,
  );
}

/** Returns the words after `walnut`, with placeholders replaced. Throws if one is left. Pure. */
export function argumentsOf(text: string, places: Readonly<Record<string, string>>): string[] {
  const whole = text
    .replace(/\s*\[[^\]]*\]/g, '')
    .replace(/ \| --\S+ \S+/g, '')
    .replace(/^walnut /, '');
  return whole.split(/\s+/).flatMap((word) => {
    const place = places[word];
    // A value may be several words, for `…`.
    if (place !== undefined) return place.split(' ');
    if (/^[A-Z…]/.test(word)) throw new Error(`${text}: what is ${word}?`);
    return [word];
  });
}

function sectionsOf(markdown: string, chapter: string): Section[] {
  const lines = markdown.split('\n');
  const begin = lines.indexOf(`## ${chapter}`);
  const length = lines.slice(begin + 1).findIndex((line) => line.startsWith('## '));
  const inBlocks = codeBlocksOf(markdown).flatMap(shellCommandsOf);
  const sections: { heading: string; commands: StatedCommand[] }[] = [];
  lines.slice(begin + 1, begin + 1 + length).forEach((text, i) => {
    const line = begin + 2 + i;
    const heading = /^### (.*)$/.exec(text)?.[1];
    if (heading !== undefined) sections.push({ heading, commands: [] });
    const stated = [
      ...[...text.matchAll(/`(walnut [^`]*)`/g)].map((match) => match[1] ?? ''),
      ...inBlocks.filter((one) => one.line === line && one.text.startsWith('walnut ')).map((one) => one.text),
    ];
    sections.at(-1)?.commands.push(...stated.map((command) => ({ text: command, line })));
  });
  return sections.filter(({ commands }) => commands.length > 0);
}
