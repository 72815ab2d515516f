/**
 * The options of calls: which there are, and deadlines as numbers. Pure. Throws
 * INVALID_ARGUMENT for an option that does not exist, since its caller would believe that it
 * has an effect, and for a deadline that is none.
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
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

/** What an option must be; one of another type is judged where it is used. */
type OptionType = 'string' | 'boolean' | 'uint32' | 'enum' | 'message' | 'list' | 'signal';
/** The names of options with their types, and for a choice between fields the names of these. */
export type OptionNames = ReadonlyMap<string, ReadonlySet<string> | OptionType | undefined>;

const TYPES: ReadonlyMap<ScalarType, OptionType> = new Map([
  [ScalarType.STRING, 'string'],
  [ScalarType.BOOL, 'boolean'],
  [ScalarType.UINT32, 'uint32'],
]);
const UINT32_MAX = 0xffff_ffff;

/** What protobuf itself keeps in a message. */
const OF_MESSAGES = ['$typeName', '$unknown'];

/** The fields of a message without `set`, which the client sets; with deadlines where it has an expiry. */
export function optionNames(
  { members }: Pick<DescMessage, 'members'>,
  set: readonly string[] = [],
  more: readonly string[] = [],
): OptionNames {
  const names = new Map<string, ReadonlySet<string> | OptionType | undefined>();
  for (const member of members) {
    if (set.includes(member.localName)) continue;
    if (member.kind === 'oneof')
      names.set(member.localName, new Set(member.fields.map(({ localName }) => localName)));
    else names.set(member.localName, typeOf(member));
    if (member.localName === 'expiry') for (const name of ['ttlMs', 'expireAtMs']) names.set(name, undefined);
  }
  for (const name of more) names.set(name, name === 'signal' ? 'signal' : undefined);
  return names;
}

function typeOf(field: DescField): OptionType | undefined {
  if (field.fieldKind === 'scalar') return TYPES.get(field.scalar);
  return field.fieldKind === 'map' ? undefined : field.fieldKind;
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
    const rule = names.get(name);
    const value: unknown = (options as Record<string, unknown>)[name];
    if (rule === undefined || value === undefined) continue;
    if (typeof rule === 'string') checkType(within + name, value, rule);
    else checkCase(name, value, rule);
  }
}

function checkType(name: string, value: unknown, type: OptionType): void {
  const { isOf, expected } = KINDS[type];
  if (!isOf(value)) throw invalid(`${name} is ${shown(value)}: expected ${expected}`);
}

/** A signal of another realm, or of a library, is no instance of the class here. */
function isSignal(value: unknown): boolean {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  return typeof aborted === 'boolean' && typeof addEventListener === 'function';
}

function isMessage(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isUint32(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= UINT32_MAX;
}

const KINDS: Readonly<Record<OptionType, { isOf(value: unknown): boolean; readonly expected: string }>> = {
  string: { isOf: (value) => typeof value === 'string', expected: 'a string' },
  boolean: { isOf: (value) => typeof value === 'boolean', expected: 'a boolean' },
  uint32: { isOf: isUint32, expected: `a whole number from 0 to ${UINT32_MAX}` },
  enum: { isOf: Number.isInteger, expected: 'one of its enum, such as Durability.LOCAL' },
  message: { isOf: isMessage, expected: 'an object' },
  list: { isOf: Array.isArray, expected: 'a list' },
  signal: { isOf: isSignal, expected: 'an AbortSignal' },
};

function checkCase(name: string, value: unknown, cases: ReadonlySet<string>): void {
  const chosen = (value as { readonly case?: unknown } | null)?.case;
  // A message has its choices as objects, those that are not made too.
  const isNone = chosen === undefined && typeof value === 'object' && value !== null;
  if (!isNone && !cases.has(chosen as string))
    throw invalid(`${name} has the case ${JSON.stringify(chosen)}: expected one of ${[...cases].join(', ')}`);
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

/** Throws unless the value is undefined or a function. */
export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw invalid(`${name} is ${shown(value)}: expected a function`);
}

/** Throws unless the value is whole milliseconds in these bounds. */
export function checkMs(name: string, value: unknown, min: number, max: number): void {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return;
  throw invalid(`${name} is ${shown(value)}: expected a whole number of milliseconds from ${min} to ${max}`);
}

function wholeMs(name: string, value: number, min: number): bigint {
  if (!Number.isSafeInteger(value) || value < min)
    throw invalid(`${name} is ${shown(value)}: expected a whole number of milliseconds from ${min}`);
  return BigInt(value);
}
