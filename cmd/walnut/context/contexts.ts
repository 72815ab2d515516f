/**
 * Named contexts: which nodes a name means, and how they are called. A context names files
 * of tokens and keys and never has a token itself. Pure; the file is in `context-file.ts`.
 */
import { InvalidArgumentError } from 'commander';
import { type NamedAddress, parseAddress } from '../arguments.ts';

/** Every setting but the addresses, with the option that it stands for. */
export const CONTEXT_OPTIONS = {
  tokenFile: '--token-file',
  allowClearText: '--allow-clear-text',
  caFile: '--ca-file',
  certFile: '--cert-file',
  keyFile: '--key-file',
  serverName: '--server-name',
} as const;
export type ContextOption = keyof typeof CONTEXT_OPTIONS;
/** Those of them that name files. */
export const CONTEXT_FILES = ['tokenFile', 'caFile', 'certFile', 'keyFile'] as const;

export interface ContextSettings {
  readonly tokenFile?: string;
  readonly allowClearText?: true;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
}

export interface Context extends ContextSettings {
  /** Each is what `--address` takes; the first that answers is called. */
  readonly addresses: readonly string[];
}

export interface Contexts {
  /** The context of `walnut context use`. */
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
}

export const NO_CONTEXTS: Contexts = { contexts: {} };
export const CONTEXTS_MAX = 100;
export const ADDRESSES_MAX = 16;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TEXT_LENGTH_MAX = 4_096;

/** Parses the name of a context for commander. */
export function parseContextName(text: string): string {
  if (NAME.test(text)) return text;
  throw new InvalidArgumentError(
    'Expected 1 to 64 letters, digits, dots, dashes and underscores, such as production.',
  );
}

/** All of one scheme: a token for nodes with TLS must not go to one without. Throws for commander. */
export function parseAddresses(texts: readonly string[]): readonly NamedAddress[] {
  if (texts.length < 1 || texts.length > ADDRESSES_MAX)
    throw new InvalidArgumentError(`Expected 1 to ${ADDRESSES_MAX} addresses, not ${texts.length}.`);
  const addresses = texts.map(parseAddress);
  if (new Set(addresses.map(({ isTls }) => isTls)).size > 1)
    throw new InvalidArgumentError('Expected all addresses with https://, or none.');
  return addresses;
}

/** The inverse of `renderContexts`. Throws an `Error` that says what was expected where. */
export function parseContexts(text: string): Contexts {
  const { current, contexts, ...others } = objectOf(parseJson(text), 'the file');
  refuseOthers(others, 'the file');
  const entries = Object.entries(objectOf(contexts, 'contexts'));
  if (entries.length > CONTEXTS_MAX) throw new Error(`expected at most ${CONTEXTS_MAX} contexts`);
  const parsed = new Map(entries.map(([name, value]) => [parseContextName(name), parseContext(name, value)]));
  if (current !== undefined && (typeof current !== 'string' || !parsed.has(current)))
    throw new Error('current: expected the name of a context of the file');
  return { ...(current === undefined ? {} : { current }), contexts: Object.fromEntries(parsed) };
}

export function renderContexts(contexts: Contexts): string {
  return `${JSON.stringify(contexts, undefined, 2)}\n`;
}

function parseContext(name: string, value: unknown): Context {
  const where = `contexts.${name}`;
  const { addresses, ...settings } = objectOf(value, where);
  if (!Array.isArray(addresses) || !addresses.every((each) => typeof each === 'string'))
    throw new Error(`${where}.addresses: expected a list of texts`);
  try {
    parseAddresses(addresses);
  } catch (error) {
    throw new Error(`${where}.addresses: ${(error as Error).message}`);
  }
  for (const [key, setting] of Object.entries(settings)) {
    if (!Object.hasOwn(CONTEXT_OPTIONS, key)) refuseOthers({ [key]: setting }, where);
    const isRight =
      key === 'allowClearText'
        ? setting === true
        : typeof setting === 'string' && setting !== '' && setting.length <= TEXT_LENGTH_MAX;
    if (!isRight)
      throw new Error(`${where}.${key}: expected ${key === 'allowClearText' ? 'true' : 'a text'}`);
  }
  return { addresses, ...settings } as Context;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`expected JSON: ${(error as Error).message}`);
  }
}

function objectOf(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Error(`${where}: expected an object`);
}

function refuseOthers(others: Readonly<Record<string, unknown>>, where: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw new Error(`${where}: ${JSON.stringify(name)} is not known here`);
}
