/**
 * Reads the commands of the runbooks of a document from its text, so that document and test
 * cannot differ. The tests run them in their order. A command that no test runs is a
 * failure, too (`untyped`).
 */
import { spawnSync } from 'node:child_process';
import { codeBlocksOf, shellCommandsOf } from '#test/doubles/markdown.ts';
import { type Ran, runCli } from '../cli/memory-io.ts';
import { readText } from '../house/source-files.ts';

export interface StatedCommand {
  readonly text: string;
  /** The line in the document, from 1. */
  readonly line: number;
}

export interface Section {
  readonly heading: string;
  readonly commands: readonly StatedCommand[];
}

/** Those of docs/operations.md. */
export const SECTIONS: readonly Section[] = readRunbooks('docs/operations.md');

const typed = new Set<StatedCommand>();

/**
 * The sections under "Runbooks" of a document, each with every `walnut …` and `etcdctl …` in
 * it, inline or in a block, in the order of the text.
 */
export function readRunbooks(document: string): Section[] {
  return sectionsOf(readText(document), 'Runbooks');
}

/** Sections of which a test has run a command, with the commands that no test has run. */
export function untyped(sections: readonly Section[] = SECTIONS): string[] {
  return sections.flatMap(({ heading, commands }) =>
    commands
      .filter((command) => !typed.has(command))
      .map(({ text, line }) => `${heading}, line ${line}: ${text}`),
  );
}

type Places = Readonly<Record<string, string>>;

/** One way through a section, from the first symptom to health. */
export class Runbook {
  readonly #commands: readonly StatedCommand[];
  #next = 0;

  constructor(heading: string, sections: readonly Section[] = SECTIONS) {
    const section = sections.find((one) => one.heading === heading);
    if (section === undefined) throw new Error(`there is no runbook "${heading}"`);
    this.#commands = section.commands;
  }

  /**
   * Types the next command of the section that begins with `walnut` and `begin`;
   * with a `$` at its end, that is just this.
   * `places`: what stands for the words in capitals; those that begin with `WALNUT_` are
   * the environment's. Optional parts, in brackets, are left out; `more` comes last.
   */
  async type(begin: string, places: Places, ...more: string[]): Promise<Ran> {
    const args = [...argumentsOf(this.#take(`walnut ${begin}`), places), ...more];
    const env = Object.fromEntries(Object.entries(places).filter(([name]) => name.startsWith('WALNUT_')));
    return runCli(args, { env });
  }

  /** Runs the next command of the section that begins with `etcdctl` and `begin`. Throws where it fails. */
  etcdctl(begin: string, places: Places): void {
    const args = argumentsOf(this.#take(`etcdctl ${begin}`), places);
    const { status, stderr } = spawnSync('etcdctl', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${stderr}`);
  }

  /** The next command of the section that begins so; it counts as typed. */
  #take(begin: string): string {
    const at = this.#commands.findIndex(
      ({ text }, i) =>
        i >= this.#next && (begin.endsWith('$') ? begin === `${text}$` : `${text} `.startsWith(`${begin} `)),
    );
    const command = this.#commands[at];
    if (command === undefined) throw new Error(`the runbook states no further command: ${begin}`);
    this.#next = at + 1;
    typed.add(command);
    return command.text;
  }
}

/** Returns the words after the first, with placeholders replaced. Throws if one is left. Pure. */
export function argumentsOf(text: string, places: Places): string[] {
  const whole = text
    .replace(/\s*\[[^\]]*\]/g, '')
    .replace(/ \| --\S+ \S+/g, '')
    .replace(/^\w+ /, '');
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
      ...[...text.matchAll(/`((?:walnut|etcdctl) [^`]*)`/g)].map((match) => match[1] ?? ''),
      ...inBlocks.filter((one) => one.line === line && one.text.startsWith('walnut ')).map((one) => one.text),
    ];
    sections.at(-1)?.commands.push(...stated.map((command) => ({ text: command, line })));
  });
  return sections.filter(({ commands }) => commands.length > 0);
}
