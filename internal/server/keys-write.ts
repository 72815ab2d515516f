/** PUT, POST and DELETE of `/v1/keys/{key}`. */

import type { IncrementAnswer, WriteAnswer } from '#model/commands.ts';
import { counted } from '#model/counted.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import { send } from '#rpc/http-io.ts';
import { checkNamedOnce, takesOneTry, writeWhere } from '#server/conditional-write.ts';
import { etagOf, readWriteConditions } from '#server/entity-tags.ts';
import { HttpRefusal } from '#server/http-refusal.ts';
import { readValue } from '#server/keys-body.ts';
import { type KeysCall, type KeysCallOptions, sendConditionNotMet, sendMissing } from '#server/keys-call.ts';
import { readContentType, setAsKept } from '#server/keys-content.ts';
import { deadlineHeader, writeHeaders } from '#server/keys-headers.ts';
import { toKeysDelete, toKeysIncrement, toKeysSet } from '#server/keys-request.ts';

const NO_VALUE = new Uint8Array(0);

export async function putKey(options: KeysCallOptions, call: KeysCall): Promise<void> {
  const { request, response } = call;
  const contentType = readContentType(request.headers['content-type']);
  const command = { ...toKeysSet(call.key, call.query, request.headers['x-walnut-ttl']), ...contentType };
  const preconditions = readWriteConditions(request.headers);
  checkNamedOnce(preconditions, command.id);
  if (request.headers['content-range'] !== undefined) {
    throw invalidArgument('Content-Range does not go with PUT: expected the whole value');
  }
  call.checkMayWrite();
  const body = { value: await readValue(call, options) };
  const isOnlyTry = takesOneTry(preconditions);
  let notKept = {};
  const onTypeLeftOut = (): void => {
    notKept = { 'x-walnut-not-kept': 'content-type' };
  };
  // Not async: the frame of an async function would keep the value until the answer.
  const answer = await writeWhere(preconditions, call.mayRead, (condition) => {
    const set = { ...command, condition, value: body.value };
    const setting = setAsKept(options.port, set, call.signalFor(command), onTypeLeftOut);
    // The record contains the value now: a wait for replicas, which may be long, keeps no second one.
    if (isOnlyTry) body.value = NO_VALUE;
    return setting;
  });
  if (!answer.applied) return sendNotWritten(call, answer);
  const headers = { ...writeHeaders(answer), etag: etagOf(answer.position), ...notKept };
  // A caller that may not read the key is not told that it was missing, and what was
  // there before the first of a repeat may not be known any more.
  const isCreated = call.mayRead && answer.previous === undefined && answer.isRepeat === undefined;
  send(request, response, isCreated ? 201 : 204, headers, '');
}

/** `?increment`: the answer's body is the sum. */
export async function postKey(options: KeysCallOptions, call: KeysCall): Promise<void> {
  const { request, response } = call;
  const command = toKeysIncrement(call.key, call.query, request.headers['x-walnut-ttl']);
  const preconditions = readWriteConditions(request.headers);
  checkNamedOnce(preconditions, command.id);
  call.checkMayWrite();
  const { length } = await readValue(call, options);
  if (length > 0) throw invalidArgument(`the body has ${counted(length, 'byte')}: expected none`);
  const answer = await writeWhere(preconditions, call.mayRead, async (condition) => {
    try {
      return await options.port.increment({ ...command, condition }, call.signalFor(command));
    } catch (error) {
      throw asConflict(error);
    }
  });
  if (!answer.applied) return sendNotWritten(call, answer);
  const body = call.mayRead ? String(answer.value) : '';
  send(request, response, 200, incrementHeaders(answer), body);
}

/** A sum that does not fit: of HTTP's statuses the usual one of its code, 416, is about Range. */
function asConflict(error: unknown): unknown {
  if (!(error instanceof WalnutError) || error.code !== 'out_of_range') return error;
  return new HttpRefusal(409, 'out_of_range', error.message);
}

function incrementHeaders(answer: IncrementAnswer): Record<string, string | number> {
  return {
    ...writeHeaders(answer),
    ...deadlineHeader(answer.expireAtMs),
    etag: etagOf(answer.position),
    'content-type': 'text/plain; charset=utf-8',
  };
}

export async function deleteKey({ port }: KeysCallOptions, call: KeysCall): Promise<void> {
  const { request, response } = call;
  const command = toKeysDelete(call.key, call.query);
  const preconditions = readWriteConditions(request.headers);
  if (preconditions.ifNoneMatch !== undefined) throw invalidArgument('If-None-Match does not go with DELETE');
  checkNamedOnce(preconditions, command.id);
  const answer = await writeWhere(preconditions, call.mayRead, (condition) =>
    // A delete that finds nothing does nothing, so it needs no condition to be of what is present.
    port.delete(condition?.kind === 'version' ? { ...command, condition } : command, call.signalFor(command)),
  );
  if (answer.applied) return send(request, response, 204, writeHeaders(answer), '');
  if (preconditions.ifMatch !== undefined) return sendNotWritten(call, answer);
  sendMissing(call, writeHeaders(answer));
}

function sendNotWritten(call: KeysCall, answer: WriteAnswer): void {
  const version = answer.current?.version;
  const headers = { ...writeHeaders(answer), ...(version === undefined ? {} : { etag: etagOf(version) }) };
  sendConditionNotMet(call, version, headers);
}
