/**
 * What a request to `/v1/keys/{key}` says, as commands of the model. Pure: it
 * sees the path, the query and the headers, and throws `invalid_argument`
 * naming what was expected. Parameters it does not know are refused, so that a
 * misspelt `?tll=` does not make an entry that never expires.
 */
import type {
  DeleteCommand,
  Durability,
  Expiry,
  GetCommand,
  IncrementCommand,
  SetCommand,
  WriteOptions,
} from '#model/commands.ts';
import { COUNTER_MAX, COUNTER_MIN, tryCounter } from '#model/counter.ts';
import { invalidArgument } from '#model/errors.ts';
import { checkKey, checkMinAcks } from '#model/limits.ts';
import type { WriteId } from '#model/write-id.ts';
import { parseDuration } from '#platform/duration.ts';
import { UNESCAPED_PATH } from '#rpc/unparsed.ts';
import {
  DELETE_PARAMETERS,
  INCREMENT_PARAMETERS,
  READ_PARAMETERS,
  SET_PARAMETERS,
} from '#server/parameters.ts';
import { quote, readDuration, readFlag, readPosition, readQuery, UNESCAPED } from '#server/query.ts';
import { checkRequestId, checkWaitMs } from '#wire/numbers.ts';

export const KEYS_PREFIX = '/v1/keys/';

/** The value of the header `x-walnut-ttl`. */
type TtlHeader = string | string[] | undefined;

/** The rest of the path, slashes included, percent-decoded once. */
export function keyOfPath(path: string): string {
  if (UNESCAPED.test(path)) throw invalidArgument(UNESCAPED_PATH);
  let key: string;
  try {
    key = decodeURIComponent(path.slice(KEYS_PREFIX.length));
  } catch {
    throw invalidArgument('the key in the path has a bad escape: expected %XX with UTF-8 bytes');
  }
  checkKey(key);
  return key;
}

/** True if a read has `?explain`. Does not throw: it is asked before the caller is judged. */
export function asksExplain(query: string): boolean {
  // Most reads have no query, or not this one; a name may have escapes.
  if (!query.includes('explain') && !query.includes('%')) return false;
  return new URLSearchParams(query).getAll('explain').some((value) => value !== 'false');
}

/** Throws unless a query that asks Explain is right: it has nothing else. */
export function checkExplain(query: string): void {
  readFlag(readQuery(query, READ_PARAMETERS).get('explain'), 'explain');
  readQuery(query, ['explain']);
}

/** `?at_least=epoch-lsn&wait=5s&max_staleness=1s` */
export function toKeysGet(key: string, query: string): GetCommand {
  const parameters = readQuery(query, READ_PARAMETERS);
  const atLeast = parameters.get('at_least');
  const staleness = parameters.get('max_staleness');
  return {
    key,
    atLeast: atLeast === undefined ? undefined : readPosition(atLeast, 'at_least'),
    waitMs: checkWaitMs(readDuration(parameters.get('wait') ?? '0s', 'wait'), 'wait'),
    maxStalenessMs: staleness === undefined ? undefined : readDuration(staleness, 'max_staleness'),
  };
}

/** `?ttl=30s|keep|never`, `durability=accepted|local|quorum`, `min_acks=1`, `timeout=5s`. Value and condition come later. */
export function toKeysSet(key: string, query: string, ttlHeader?: TtlHeader): Omit<SetCommand, 'value'> {
  const parameters = readQuery(query, SET_PARAMETERS);
  return {
    key,
    expiry: readExpiry(readTtl(parameters, ttlHeader)),
    // The status is 201 or 204 by whether there was an entry before.
    ...readWriteOptions(parameters, true),
  };
}

/** `?increment=5&initial=0&ttl=30s|never` and the write options; `increment` alone adds 1. The condition comes later. */
export function toKeysIncrement(key: string, query: string, ttlHeader?: TtlHeader): IncrementCommand {
  const parameters = readQuery(query, INCREMENT_PARAMETERS);
  const increment = parameters.get('increment');
  if (increment === undefined) {
    throw invalidArgument('POST without increment: expected ?increment, or ?increment=N (PUT sets a value)');
  }
  const ttl = readTtl(parameters, ttlHeader);
  if (ttl === 'keep') throw invalidArgument('ttl is "keep": an Increment keeps the deadline by itself');
  return {
    key,
    delta: readNumber(increment === '' ? '1' : increment, 'increment'),
    initial: readNumber(parameters.get('initial') ?? '0', 'initial'),
    expiry: readExpiry(ttl),
    ...readWriteOptions(parameters, false),
  };
}

function readNumber(text: string, name: string): bigint {
  const number = tryCounter(Buffer.from(text));
  if (number !== undefined) return number;
  throw invalidArgument(
    `${name} is ${quote(text)}: expected a whole number from ${COUNTER_MIN} to ${COUNTER_MAX}, such as 1 or -5`,
  );
}

export function toKeysDelete(key: string, query: string): DeleteCommand {
  return { key, ...readWriteOptions(readQuery(query, DELETE_PARAMETERS), false) };
}

/** The time to live, from the parameter or, for callers whose URL is given, from a header. */
function readTtl(parameters: ReadonlyMap<string, string>, header: TtlHeader): string | undefined {
  const parameter = parameters.get('ttl');
  if (header !== undefined && parameter !== undefined && String(header) !== parameter)
    throw invalidArgument('ttl and the header x-walnut-ttl differ: expected one of them');
  return parameter ?? (header === undefined ? undefined : String(header));
}

function readExpiry(text: string | undefined): Expiry {
  if (text === undefined) return { kind: 'default' };
  if (text === 'keep') return { kind: 'keep' };
  if (text === 'never') return { kind: 'at', expireAtMs: 0 };
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined || ttlMs === 0) {
    throw invalidArgument(`ttl is ${quote(text)}: expected keep, never or a duration above 0 such as 30s`);
  }
  return { kind: 'ttl', ttlMs };
}

function readWriteOptions(parameters: ReadonlyMap<string, string>, returnPrevious: boolean): WriteOptions {
  const minAcks = parameters.get('min_acks') ?? '0';
  if (!/^\d{1,4}$/.test(minAcks)) {
    throw invalidArgument(`min_acks is ${quote(minAcks)}: expected a whole number`);
  }
  return {
    returnPrevious,
    durability: readDurability(parameters.get('durability')),
    minAcks: checkMinAcks(Number(minAcks)),
    timeoutMs: checkWaitMs(readDuration(parameters.get('timeout') ?? '0s', 'timeout'), 'timeout'),
    ...readRequestId(parameters.get('request_id')),
  };
}

function readRequestId(text: string | undefined): { id?: WriteId } {
  if (text === undefined) return {};
  if (text === '')
    throw invalidArgument('request_id is empty: expected 1 to 128 characters, or no request_id');
  const requestId = checkRequestId(text);
  return requestId === undefined ? {} : { id: { name: { kind: 'request', requestId } } };
}

function readDurability(text: string | undefined): Durability | undefined {
  if (text === undefined || text === 'accepted' || text === 'local' || text === 'quorum') return text;
  throw invalidArgument(`durability is ${quote(text)}: expected accepted, local or quorum`);
}
