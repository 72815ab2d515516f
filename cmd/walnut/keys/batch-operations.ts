/**
 * Operations of `walnut batch` as text, one each: words for what is common, or JSON for
 * everything that the rpc can do. Pure.
 */
import { create, fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import { type BatchOperation, BatchOperationSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { parseTypedNumber } from '#model/counter.ts';
import { parseDuration } from '#platform/duration.ts';

export type NamedOperation = Exclude<BatchOperation['operation'], { case: undefined }>;

type OperationInit = NonNullable<MessageInitShape<typeof BatchOperationSchema>['operation']>;

export const OPERATION_FORM =
  'get KEY, set KEY VALUE, del KEY, increment KEY [N], touch KEY DURATION|never, or JSON such as ' +
  '{"set":{"key":"k","value":"BASE64","ttlMs":"60000"}}';

/** Throws an `Error` that says what was expected. */
export function parseOperation(text: string): NamedOperation {
  const { operation } = text.startsWith('{')
    ? parseJson(text)
    : create(BatchOperationSchema, { operation: parseWords(text) });
  if (operation.case === undefined) throw expected();
  return operation;
}

function parseJson(text: string): BatchOperation {
  try {
    return fromJson(BatchOperationSchema, JSON.parse(text) as JsonValue);
  } catch (error) {
    throw new Error(`${(error as Error).message}: expected the fields of docs/api.md, values in base64`);
  }
}

function parseWords(text: string): OperationInit {
  const [, verb = '', key = '', rest] = /^(\S+) (\S+)(?: (.*))?$/su.exec(text) ?? [];
  switch (verb) {
    case 'get':
      if (rest === undefined) return { case: 'get', value: { key } };
      break;
    case 'set':
      if (rest !== undefined) return { case: 'set', value: { key, value: Buffer.from(rest) } };
      break;
    case 'del':
      if (rest === undefined) return { case: 'delete', value: { key } };
      break;
    case 'increment':
      return { case: 'increment', value: { key, delta: parseDelta(rest ?? '1') } };
    case 'touch':
      return { case: 'touch', value: { key, expiry: parseDeadline(rest) } };
  }
  throw expected();
}

function parseDelta(text: string): bigint {
  const delta = parseTypedNumber(text);
  if (delta === undefined) throw expected();
  return delta;
}

function parseDeadline(text = ''): { case: 'expireAtMs' | 'ttlMs'; value: bigint } {
  if (text === 'never') return { case: 'expireAtMs', value: 0n };
  const ttlMs = parseDuration(text);
  if (ttlMs === undefined || ttlMs === 0) throw expected();
  return { case: 'ttlMs', value: BigInt(ttlMs) };
}

function expected(): Error {
  return new Error(`expected ${OPERATION_FORM}`);
}
