/**
 * The options of calls: which there are, and deadlines as numbers. Pure. Throws
 * INVALID_ARGUMENT for an option that does not exist, since its caller would believe that it
 * has an effect, and for a deadline that is none.
 */
import type { DescMessage } from '@bufbuild/protobuf';
import { shown } from '#platform/shown.ts';
import { invalid } from './failures.ts';

/** When an entry expires, as numbers; instead of `expiry`. */
export interface DeadlineOptions {
  /** Milliseconds until the entry expires. */
  readonly ttlMs?: number | undefined;
  /** When the entry expires: a `Date`, or milliseconds since 1970. 0: never. One in the past deletes. */
  readonly expireAtMs?: number | Date | undefined;
}

type Expiry =
  | { readonly case: 'ttlMs'; readonly value: bigint }
  | { readonly case: 'expireAtMs'; readonly value: bigint };

/** The names of options, and for a choice between fields the names of these. */
export type OptionNames = ReadonlyMap<string, ReadonlySet<string> | undefined>;

/** What protobuf itself keeps in a message. */
const OF_MESSAGES = ['$typeName', '$unknown'];

/** The fields of a message without `set`, which the client sets; with deadlines where it has an expiry. */
export function optionNames(
  { members }: Pick<DescMessage, 'members'>,
  set: readonly string[] = [],
  more: readonly string[] = [],
): OptionNames {
  const names = new Map<string, ReadonlySet<string> | undefined>();
  for (const member of members) {
    if (set.includes(member.localName)) continue;
    const isChoice = member.kind === 'oneof';
    names.set(
      member.localName,
      isChoice ? new Set(member.fields.map(({ localName }) => localName)) : undefined,
    );
    if (member.localName === 'expiry') for (const name of ['ttlMs', 'expireAtMs']) names.set(name, undefined);
  }
  for (const name of more) names.set(name, undefined);
  return names;
}

/** Names that are no fields of a message. */
export function namesOf(names: Readonly<Record<string, true>>): OptionNames {
  return new Map(Object.keys(names).map((name) => [name, undefined]));
}

/** `within`: what the options are a part of, such as `tls.`. */
export function checkNames(options: object, names: OptionNames, within = ''): void {
  if (typeof options !== 'object' || options === null)
    throw invalid(`options are ${shown(options)}: expected an object`);
  for (const name in options) {
    if (!names.has(name) && !OF_MESSAGES.includes(name))
      throw invalid(
        `unknown option ${JSON.stringify(within + name)}: expected ${[...names.keys()].join(', ') || 'none'}`,
      );
    const cases = names.get(name);
    const chosen = cases && (options as Record<string, { readonly case?: string } | undefined>)[name]?.case;
    if (chosen !== undefined && cases?.has(chosen) === false)
      throw invalid(
        `${name} has the case ${JSON.stringify(chosen)}: expected one of ${[...cases].join(', ')}`,
      );
  }
}

/** The same options, with the deadline as the message has it. */
export function withExpiry<T extends object>(options: T & DeadlineOptions): T & { readonly expiry?: Expiry } {
  const { ttlMs, expireAtMs } = options;
  if (ttlMs === undefined && expireAtMs === undefined) return options as T;
  const given = ['ttlMs', 'expireAtMs', 'expiry'].filter((name) => Reflect.get(options, name) !== undefined);
  if (given.length > 1) throw invalid(`${given.join(' and ')} are given: expected one of them`);
  if (ttlMs !== undefined)
    return { ...options, expiry: { case: 'ttlMs', value: wholeMs('ttlMs', ttlMs, 1) } };
  const atMs = expireAtMs instanceof Date ? expireAtMs.getTime() : (expireAtMs as number);
  return { ...options, expiry: { case: 'expireAtMs', value: wholeMs('expireAtMs', atMs, 0) } };
}

/** Throws unless the key is a text: any other would be written under a name that nobody chose. */
export function checkKey(key: unknown, what = 'key'): void {
  if (typeof key !== 'string') throw invalid(`${what} is ${shown(key)}: expected a string`);
}

export function checkValue(value: unknown): void {
  if (!(value instanceof Uint8Array))
    throw invalid(`value is ${shown(value)}: expected a Uint8Array, such as new TextEncoder().encode(text)`);
}

/** Throws unless the value is undefined or whole milliseconds in these bounds. */
export function checkMs(name: string, value: unknown, min: number, max: number): void {
  if (value === undefined || (Number.isInteger(value) && Number(value) >= min && Number(value) <= max))
    return;
  throw invalid(`${name} is ${shown(value)}: expected a whole number of milliseconds from ${min} to ${max}`);
}

function wholeMs(name: string, value: number, min: number): bigint {
  if (!Number.isSafeInteger(value) || value < min)
    throw invalid(`${name} is ${shown(value)}: expected a whole number of milliseconds from ${min}`);
  return BigInt(value);
}
