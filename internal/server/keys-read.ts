/** GET and HEAD of `/v1/keys/{key}`, and what `?explain` asks. */
import { toJsonString } from '@bufbuild/protobuf';
import { ExplainResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#model/entry.ts';
import { type Headers, isNodeHttp2Response, send } from '#rpc/http-io.ts';
import { selectRange } from '#server/byte-range.ts';
import { etagOf, isMatch, isNoneMatch, isRangeOf, readPreconditions } from '#server/entity-tags.ts';
import { isModifiedSince, isUnmodifiedSince } from '#server/http-dates.ts';
import { HttpRefusal } from '#server/http-refusal.ts';
import { type KeysCall, type KeysCallOptions, sendConditionNotMet, sendMissing } from '#server/keys-call.ts';
import { entryHeaders, freshnessHeaders } from '#server/keys-headers.ts';
import { checkExplain, toKeysGet } from '#server/keys-request.ts';
import { fromExplainAnswer } from '#wire/explain-codec.ts';

/** What became of the key, as the JSON of the rpc Explain. */
export async function explainKey({ port }: KeysCallOptions, call: KeysCall): Promise<void> {
  checkExplain(call.query);
  const answer = fromExplainAnswer(await port.explain({ key: call.key, changes: 0 }, call.signal));
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  send(call.request, call.response, 200, headers, `${toJsonString(ExplainResponseSchema, answer)}\n`);
}

export async function getKey({ port, boundAnswer, clock }: KeysCallOptions, call: KeysCall): Promise<void> {
  const { request, response } = call;
  const preconditions = readPreconditions(request.headers);
  const command = { ...toKeysGet(call.key, call.query), withModified: true };
  const answer = await port.get(command, command.waitMs > 0 ? call.signal : undefined);
  const freshness = freshnessHeaders(answer);
  const { entry } = answer;
  if (entry === undefined) return sendMissing(call, freshness);
  const { version, modifiedMs } = entry;
  if (!isMatch(preconditions, version) || !isUnmodifiedSince(request.headers, modifiedMs)) {
    return sendConditionNotMet(call, version, { ...freshness, etag: etagOf(version) });
  }
  const headers = { ...freshness, ...entryHeaders(entry, clock.wallMs()) };
  if (!isNoneMatch(preconditions, version) || !isModifiedSince(request.headers, modifiedMs))
    return send(request, response, 304, headers, '');
  sendValue(call, entry, headers);
  if (isNodeHttp2Response(response)) boundAnswer(response.stream, entry.value.length);
}

function sendValue({ request, response }: KeysCall, { value, version }: Entry, headers: Headers): void {
  const bytes = value.length;
  const { range, 'if-range': ifRange } = request.headers;
  const isPart = request.method === 'GET' && isRangeOf(ifRange, version);
  const part = isPart ? selectRange(range, bytes) : 'whole';
  if (part === 'whole') {
    send(request, response, 200, headers, value);
    return;
  }
  if (part === 'unsatisfiable') {
    throw new HttpRefusal(416, 'out_of_range', `Range has no byte of the ${bytes} that the value has`, {
      'x-walnut-as-of': String(headers['x-walnut-as-of']),
      'content-range': `bytes */${bytes}`,
      'accept-ranges': 'bytes',
      etag: etagOf(version),
    });
  }
  const { start, end } = part;
  const ranged = { ...headers, 'content-range': `bytes ${start}-${end - 1}/${bytes}` };
  send(request, response, 206, ranged, value.subarray(start, end));
}
