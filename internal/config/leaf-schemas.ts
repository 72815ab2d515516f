/**
 * Schemas of single values. Each says in its own words what was expected and
 * what came, gives plain units, and fills in its default where the key is
 * missing. A key without a default is required.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { formatSize, parseSize, SIZE_FORM } from '#config/size.ts';
import { isHostName, isHostPort } from '#model/address.ts';
import { CONFIGURED_REPLICAS_MAX } from '#model/limits.ts';
import { DURATION_FORM, formatDuration, parseDuration } from '#platform/duration.ts';
import { isIpAddress } from '#platform/ip-address.ts';

/** Reads a value that is there; undefined where it is not what was expected. */
interface Leaf<T> {
  readonly expected: string;
  /** A refused value may have a credential, which no message shows. */
  readonly isSecret?: boolean;
  read(value: unknown): T | undefined;
}

/** Without a `fallback` the key is required. */
function define<T>(leaf: Leaf<T>, fallback?: T): z.ZodType<T> {
  const schema = z.any().transform((value: unknown, context): T => {
    const result = value === undefined ? undefined : leaf.read(value);
    if (result !== undefined) return result;
    const what = value === undefined ? 'missing: expected' : 'expected';
    const got = value === undefined || leaf.isSecret === true ? '' : `, got ${show(value)}`;
    context.addIssue({
      code: 'custom',
      message: `${what} ${leaf.expected}${got}${needsQuotes(leaf, value)}`,
    });
    return z.NEVER;
  });
  const withDefault = fallback === undefined ? schema : schema.default(() => fallback as never);
  return withDefault as unknown as z.ZodType<T>;
}

/** YAML takes 1 for a number, and true for no text either. */
function needsQuotes<T>({ read }: Leaf<T>, value: unknown): string {
  const isOther = typeof value === 'number' || typeof value === 'boolean';
  return isOther && read(String(value)) !== undefined ? ': write it in quotes' : '';
}

function show(value: unknown): string {
  if (value === null) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

export interface Range {
  readonly min: number;
  readonly max?: number;
}

function isWithin(value: number | undefined, { min, max = Number.MAX_SAFE_INTEGER }: Range): value is number {
  return value !== undefined && value >= min && value <= max;
}

function describeRange(form: string, { min, max }: Range, format: (value: number) => string): string {
  if (max !== undefined) return `${form} from ${format(min)} to ${format(max)}`;
  return `${form}, at least ${format(min)}`;
}

export function wholeNumber(range: Range, fallback?: number): z.ZodType<number> {
  return define(
    {
      expected: describeRange('a whole number', range, String),
      read: (value) => {
        const isWhole = typeof value === 'number' && Number.isSafeInteger(value);
        return isWhole && isWithin(value, range) ? value : undefined;
      },
    },
    fallback,
  );
}

export function optionalWholeNumber(range: Range): z.ZodType<number | undefined> {
  return wholeNumber(range).optional();
}

/** A duration in milliseconds, from text. */
export function duration(range: Range, fallback?: number): z.ZodType<number> {
  return define(
    {
      expected: describeRange(DURATION_FORM, range, formatDuration),
      read: (value) => {
        const ms = typeof value === 'string' ? parseDuration(value) : undefined;
        return isWithin(ms, range) ? ms : undefined;
      },
    },
    fallback,
  );
}

export function optionalDuration(range: Range): z.ZodType<number | undefined> {
  return duration(range).optional();
}

/** A size in bytes, from text. */
export function size(range: Range, fallback?: number): z.ZodType<number> {
  return define(
    {
      expected: describeRange(SIZE_FORM, range, formatSize),
      read: (value) => {
        const bytes = typeof value === 'string' ? parseSize(value) : undefined;
        return isWithin(bytes, range) ? bytes : undefined;
      },
    },
    fallback,
  );
}

export function boolean(fallback: boolean): z.ZodType<boolean> {
  return define(
    { expected: 'true or false', read: (value) => (typeof value === 'boolean' ? value : undefined) },
    fallback,
  );
}

export function oneOf<const T extends string>(choices: readonly T[], fallback: T): z.ZodType<T> {
  return define(
    {
      expected: `one of ${choices.join(', ')}`,
      // YAML reads 1.2 as a number.
      read: (value) =>
        choices.find((choice) => choice === (typeof value === 'number' ? String(value) : value)),
    },
    fallback,
  );
}

/** An IP address, where needed with its zone, or a host name. */
export function bindAddress(fallback: string): z.ZodType<string> {
  return define(
    {
      expected: 'an IP address or a host name to bind, such as "127.0.0.1" or "::", without a port',
      read: (value) =>
        typeof value === 'string' && (isIpAddress(value) || isHostName(value)) ? value : undefined,
    },
    fallback,
  );
}

export function directory(): z.ZodType<string> {
  return define({
    expected: 'the path of a directory',
    read: (value) => {
      const isPath = typeof value === 'string' && value.trim() !== '' && !value.includes('\0');
      return isPath ? value : undefined;
    },
  });
}

export function optionalFile(): z.ZodType<string | undefined> {
  return define({
    expected: 'the path of a file',
    read: (value) => {
      const isPath = typeof value === 'string' && value.trim() !== '' && !value.includes('\0');
      return isPath ? value : undefined;
    },
  }).optional();
}

/** Anything, or nothing: who reads the configuration as a whole judges it (`check-together.ts`). */
export function judgedLater(): z.ZodType<unknown> {
  return z.unknown().optional();
}

/** A URL of http or https. A name or password in it would be shown wherever the URL is, and a fragment is sent to nobody. `what`: what it is, for messages. */
export function optionalUrl(what: string): z.ZodType<string | undefined> {
  return define({
    expected: `${what}, without a user, a password or a fragment`,
    isSecret: true,
    read: (value) => (typeof value === 'string' && isPlainUrl(value) ? value : undefined),
  }).optional();
}

/** The URL without its query, which may be a credential. */
export function printedUrl(text: string): string {
  const at = text.indexOf('?');
  return at < 0 ? text : `${text.slice(0, at)}?HIDDEN`;
}

function isPlainUrl(text: string): boolean {
  if (!/^https?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false;
  const { username, password, hash } = new URL(text);
  return username === '' && password === '' && hash === '';
}

/** One line of at most so many characters. `what`: what it is, for messages. */
export function optionalText(what: string, max: number): z.ZodType<string | undefined> {
  return define({
    expected: `${what}: one line of at most ${max} characters`,
    read: (value) =>
      typeof value === 'string' && value !== '' && value.length <= max && !/[\r\n\0]/.test(value)
        ? value
        : undefined,
  }).optional();
}

/** The path from the working directory, where that is known. */
export function absolute(file: string | undefined, cwd: string | undefined): string | undefined {
  return file === undefined || cwd === undefined ? file : resolve(cwd, file);
}

const HOST_PORT = '"host:port" with a port from 1 to 65535';

function readHostPort(value: unknown): string | undefined {
  return typeof value === 'string' && isHostPort(value) ? value : undefined;
}

export function hostPort(): z.ZodType<string> {
  return define({ expected: HOST_PORT, read: readHostPort });
}

export function optionalHostPort(): z.ZodType<string | undefined> {
  return define({ expected: HOST_PORT, read: readHostPort }).optional();
}

/** Without a default if at least one is needed. */
export function hostPorts({ min = 0 }: { readonly min?: number } = {}): z.ZodType<string[]> {
  const atLeast = min === 0 ? '' : `at least ${min} and `;
  return define(
    {
      expected: `a list of ${atLeast}at most ${CONFIGURED_REPLICAS_MAX} times ${HOST_PORT}, such as ["cache-1:8080"]`,
      read: (value) => {
        const isList =
          Array.isArray(value) &&
          value.length >= min &&
          value.length <= CONFIGURED_REPLICAS_MAX &&
          value.every((item) => readHostPort(item) !== undefined);
        return isList ? (value as string[]) : undefined;
      },
    },
    min === 0 ? [] : undefined,
  );
}

/** The name of a cluster, which stands in keys of its metadata store. */
export function clusterName(fallback: string): z.ZodType<string> {
  return define(
    {
      expected: 'letters, digits and hyphens, at most 64',
      read: (value) => (typeof value === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(value) ? value : undefined),
    },
    fallback,
  );
}

const NODE_NAME_FORM = 'letters, digits and . : [ ] _ - only, at most 64, such as "cache-1"';

function readNodeName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.:[\]-]{1,64}$/.test(value) ? value : undefined;
}

/** The name by which a cluster lists a node. */
export function nodeName(): z.ZodType<string> {
  return define({ expected: NODE_NAME_FORM, read: readNodeName });
}

/** Empty where it is not known. */
export function zoneName(): z.ZodType<string> {
  return define({ expected: NODE_NAME_FORM, read: (value) => (value === '' ? '' : readNodeName(value)) }, '');
}

export function optionalHostName(): z.ZodType<string | undefined> {
  return define({
    expected: 'a host name without a port, not an address',
    read: (value) => (typeof value === 'string' && isHostName(value) ? value : undefined),
  }).optional();
}

/** Host names without a port. */
export function hostNames(): z.ZodType<string[]> {
  return define(
    {
      expected: 'a list of host names such as "cache.example.net", without a port',
      read: (value) => {
        const isName = (item: unknown): boolean =>
          typeof item === 'string' && /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/.test(item);
        return Array.isArray(value) && value.every(isName) ? (value as string[]) : undefined;
      },
    },
    [],
  );
}

/** Origins of web pages, as browsers write them: without a path, and without the port that the scheme has anyway. */
export function webOrigins(): z.ZodType<string[]> {
  return define(
    {
      expected:
        'a list of origins such as "https://app.example.net" or "http://localhost:3000", as the browser sends them',
      read: (value) =>
        Array.isArray(value) && value.every((item) => typeof item === 'string' && isWebOrigin(item))
          ? (value as string[])
          : undefined,
    },
    [],
  );
}

function isWebOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
