/**
 * Overrides of the file from the environment (`WALNUT_SECTION__KEY=value`) and the
 * command line (`--set section.key=value`). Their values are plain text, which is
 * converted to the type of the key: a number, true or false, or a list.
 */
import type { z } from 'zod';

export interface Override {
  readonly section: string;
  readonly key: string;
  readonly text: string;
  /** How messages call it, in place of a position in the file. */
  readonly label: string;
}

export const PREFIX = 'WALNUT_';
const SECTION = /^[a-z_][a-z0-9_]*$/;
/** A key of a group has a dot: `tls.cert`. */
const KEY = /^[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)?$/;

/** Overrides from variables such as `WALNUT_SECTION__KEY`, or `WALNUT_SECTION__GROUP__KEY`. Other variables are ignored; `findMisspelt` warns of those that are almost a key's. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Override[] {
  const overrides: Override[] = [];
  for (const [name, text] of Object.entries(env)) {
    const [section, rest] = splitOnce(name.slice(PREFIX.length).toLowerCase(), '__');
    const key = rest?.replace('__', '.');
    const isOurs = name.startsWith(PREFIX) && SECTION.test(section) && key !== undefined && KEY.test(key);
    if (isOurs && text !== undefined) overrides.push({ section, key, text, label: name });
  }
  return overrides;
}

/** One message for each variable whose key another one sets, too: the order of the environment would choose. */
export function findClashes(variables: readonly Override[]): string[] {
  const first = new Map<string, string>();
  return variables.flatMap(({ section, key, label }) => {
    const name = `${section}.${key}`;
    const other = first.get(name);
    first.set(name, other ?? label);
    return other === undefined
      ? []
      : [`${label} ${name}: expected one variable for it, and ${other} is there`];
  });
}

/** An override from `section.key=value`; a message if the text does not have that form. `label`: how messages call what set it. */
export function readSets(
  sets: readonly string[],
  label = '--set',
): { overrides: Override[]; problems: string[] } {
  const overrides: Override[] = [];
  const problems: string[] = [];
  for (const set of sets) {
    const [name, text] = splitOnce(set, '=');
    const [section, key] = splitOnce(name, '.');
    if (text === undefined || key === undefined || !SECTION.test(section) || !KEY.test(key)) {
      problems.push(`${label} ${JSON.stringify(set)}: expected section.key=value`);
    } else {
      overrides.push({ section, key, text, label: `${label} ${name}` });
    }
  }
  return { overrides, problems };
}

/** The value that `text` stands for, by what the key accepts; the text itself where nothing fits. */
export function coerce(schema: z.ZodType | undefined, text: string): unknown {
  const readings: unknown[] = [text];
  if (/^\d+$/.test(text)) readings.push(Number(text));
  if (text === 'true' || text === 'false') readings.push(text === 'true');
  readings.push(text.trim() === '' ? [] : text.split(',').map((item) => item.trim()));
  return readings.find((reading) => schema?.safeParse(reading).success === true) ?? text;
}

/** The text before the first separator and what follows it; undefined: there is none. */
export function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
