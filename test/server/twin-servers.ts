/**
 * Two servers of one service that differ in nothing but the unary path: what
 * `direct` takes, `adapter` leaves to connect-node.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Code, ConnectError } from '@connectrpc/connect';
import { type GetRequest, GetRequestSchema, GetResponseSchema, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import type { UnaryContext, UnaryImpl } from '#rpc/rpc-routes.ts';
import { CallContext } from '#rpc/unary/call-context.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';
import { onCleanup } from '#test/server/running.ts';

export const READ_BYTES_MAX = 2_000;
export const COMPRESS_MIN_BYTES = 300;

export interface Twin {
  readonly port: number;
  /** For each call that reached the implementation, true if it came through the unary path. */
  readonly wasDirect: boolean[];
  /** Codes as the metrics count them. */
  readonly observed: string[];
}

type Get = UnaryImpl<typeof KVStore.method.get>;

/** What the key asks for; the answer holds what the call looked like. */
const behave: Get = (request, context) => {
  const [what = '', argument = ''] = request.key.split(':');
  switch (what) {
    case 'metadata':
      return withMetadata(context, argument);
    case 'error':
      throw failure(Number(argument) as Code);
    case 'long-error':
      throw new ConnectError('why? '.repeat(100), Number(argument) as Code);
    case 'late':
      return Promise.reject(failure(Number(argument) as Code));
    case 'bug':
      throw new TypeError(argument);
    case 'wait':
      return new Promise((_, reject) => {
        const { signal } = context;
        const fail = (): void => reject(signal.reason);
        if (signal.aborted) fail();
        else signal.addEventListener('abort', fail);
      });
    case 'large':
      return create(GetResponseSchema, { found: true, value: new Uint8Array(Number(argument)).fill(7) });
    case 'ill-formed':
      return { found: 'no boolean' as unknown as boolean, stalenessMs: 'none' as unknown as bigint };
    case 'later':
      return new Promise((resolve) => setImmediate(resolve, { found: true, stalenessMs: 5n }));
    default:
      return { found: request.key !== '', value: new TextEncoder().encode(request.key) };
  }
};

function withMetadata(context: UnaryContext, argument: string): Awaited<ReturnType<Get>> {
  context.responseHeader.set('x-seen', context.requestHeader.get('x-sent') ?? 'nothing');
  context.responseHeader.append('x-twice', 'a');
  context.responseHeader.append('x-twice', 'b');
  context.responseHeader.set('x-data-bin', 'AAEC');
  context.responseTrailer.set('x-after', 'ü');
  context.responseTrailer.set('x-deadline', String((context.timeoutMs() ?? 0) > 0));
  if (argument !== '') throw failure(Number(argument) as Code);
  return { found: true };
}

function failure(code: Code): ConnectError {
  const headers = { 'x-leader-hint': 'm:8080', 'content-type': 'x/y', 'x-bin-bin': 'AAE' };
  const detail = { desc: PositionSchema, value: { epoch: 7n, lsn: 8n } };
  return new ConnectError(`why: 100% „${code}“`, code, headers, [detail]);
}

/** A shorter way for every other request, which must show in nothing. */
function byBytes(
  get: Get,
  bytes: Uint8Array,
  context: UnaryContext,
  headroom: number,
): Buffer | Promise<Buffer> | undefined {
  const request = bytes.length % 2 === 0 ? undefined : tryDecode(bytes);
  // What cannot be encoded is refused by the general way's words.
  if (request === undefined || request.key.startsWith('ill-formed')) return undefined;
  const encode = (answer: Awaited<ReturnType<Get>>): Buffer => {
    const message = toBinary(GetResponseSchema, create(GetResponseSchema, answer));
    return Buffer.concat([Buffer.alloc(headroom), message]);
  };
  const answer = get(request, context);
  return answer instanceof Promise ? answer.then(encode) : encode(answer);
}

function tryDecode(bytes: Uint8Array): GetRequest | undefined {
  try {
    return fromBinary(GetRequestSchema, bytes);
  } catch {
    return undefined;
  }
}

export async function startTwin(isDirect: boolean): Promise<Twin> {
  const wasDirect: boolean[] = [];
  const observed: string[] = [];
  const get: Get = (request, context) => {
    wasDirect.push(context instanceof CallContext);
    return behave(request, context);
  };
  const edge = await openRpcEdge({
    isDirect,
    compressMinBytes: COMPRESS_MIN_BYTES,
    jsonOptions: STRICT_JSON,
    observe: (code) => observed.push(code),
    routes: (routes) => {
      const limits = { readMaxBytes: READ_BYTES_MAX, fieldsMax: READ_BYTES_MAX };
      routes.unary(KVStore.method.get, {
        limits,
        impl: get,
        binaryImpl: (bytes, context, headroom) => byBytes(get, bytes, context, headroom),
      });
      routes.unary(KVStore.method.set, { limits, impl: () => ({ applied: true }) });
    },
  });
  onCleanup(edge.close);
  return { port: edge.port, wasDirect, observed };
}
