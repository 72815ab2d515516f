/**
 * `walnut get` and `walnut del` with several keys: one call after another, in the order of the
 * keys, and one line or one element of `results` for each. A failure ends the command, and
 * what was done before it is shown.
 */
import type { DeleteResponse, GetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { quoteKey } from '#model/limits.ts';
import { parseKey } from '../arguments.ts';
import type { NodeClients } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, show, usageError } from '../command-host.ts';
import { showPosition, showText, showValue } from '../output/output.ts';
import { getToJson, type Json, writeToJson } from './answer-json.ts';
import { UNSEEN } from './left-out.ts';
import { callFollowing, type FollowOptions, missedGuarantee, type WriteOptions } from './write-options.ts';

/** The parser of a list of keys. */
export function collectKeys(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseKey(text)];
}

/** Refuses options that only make sense with one key. */
export function refuseForSeveral(options: object, names: readonly string[]): void {
  const given = names.filter((name) => (options as Readonly<Record<string, unknown>>)[name] !== undefined);
  const [name] = given;
  if (name === undefined) return;
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw usageError(`--${flag} goes with one key`);
}

interface Result {
  readonly json: Json;
  readonly line: string;
  readonly isDone: boolean;
}

export function getSeveral(
  invocation: Invocation,
  follow: boolean,
  get: (clients: NodeClients, key: string) => Promise<GetResponse>,
): Promise<ExitCode> {
  return callEach(invocation, { follow, followOwner: true }, 'asking', async (clients, key) => {
    const response = await get(clients, key);
    const value = response.found ? showValue(response.value) : 'not found';
    return { json: getToJson(key, response), line: value, isDone: response.found };
  });
}

export function deleteSeveral(
  invocation: Invocation,
  options: WriteOptions,
  remove: (clients: NodeClients, key: string) => Promise<DeleteResponse>,
): Promise<ExitCode> {
  return callEach(invocation, options, 'writing to', async (clients, key) => {
    const response = await remove(clients, key);
    const missed = response.deleted ? missedGuarantee(response, options) : undefined;
    const line = response.deleted ? `deleted ${showPosition(response.position)}` : 'not found';
    const before = response.leftOut ? UNSEEN : response.previous && showValue(response.previous.value);
    return {
      json: writeToJson(key, response),
      line: [line, missed, before && `previous ${before}`].filter(Boolean).join(', '),
      isDone: response.deleted && missed === undefined,
    };
  });
}

async function callEach(
  invocation: Invocation,
  options: FollowOptions,
  does: string,
  call: (clients: NodeClients, key: string) => Promise<Result>,
): Promise<ExitCode> {
  const keys = invocation.args;
  const results: Result[] = [];
  try {
    await callFollowing(
      invocation,
      options,
      async (clients) => {
        for (const key of keys.slice(results.length)) results.push(await call(clients, key));
      },
      does,
    );
  } finally {
    if (results.length > 0) await showResults(invocation, keys, results);
  }
  if (results.every(({ isDone }) => isDone)) return EXIT.ok;
  const undone = keys.flatMap((key, i) => {
    const { isDone, line } = results[i] as Result;
    return isDone ? [] : [`key ${quoteKey(key)}: ${line}`];
  });
  throw new CliError(EXIT.negative, undone.join('; '));
}

function showResults(
  invocation: Invocation,
  keys: readonly string[],
  results: readonly Result[],
): Promise<void> {
  return show(
    invocation,
    () => ({ results: results.map(({ json }) => json) }),
    () => results.map(({ line }, i) => `${showText(keys[i] ?? '')}  ${line}\n`).join(''),
  );
}
