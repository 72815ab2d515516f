/**
 * The service that the public Connect conformance suite calls, on Walnut's edge.
 * Started by connectconformance, which writes one request to its standard input
 * and reads one answer: both with their length before them. Arguments: where the
 * generated code is, and `direct` or `adapter`.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { type Code, ConnectError } from '@connectrpc/connect';
import type { RpcRoutes, UnaryContext } from '#rpc/rpc-routes.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { type EdgeTls, openRpcEdge } from '#test/server/rpc-edge.ts';

/** The shapes of what is generated when this runs, as far as they are used here. */
interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

interface Definition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
  readonly response:
    | { readonly case: 'responseData'; readonly value: Uint8Array }
    | { readonly case: 'error'; readonly value: { code: Code; message?: string; details: readonly Any[] } }
    | { readonly case: undefined; readonly value?: undefined };
}

interface UnaryRequest extends Message {
  readonly responseDefinition?: Definition;
}

interface CompatRequest extends Message {
  readonly messageReceiveLimit: number;
  readonly useTls: boolean;
  /** In PEM; empty: clients need none. */
  readonly clientTlsCert: Uint8Array;
}

const [directory = '', way = 'direct'] = process.argv.slice(2);
const load = (name: string): Promise<Record<string, unknown>> =>
  import(join(directory, `connectrpc/conformance/v1/${name}_pb.ts`));
const [service, compat] = [await load('service'), await load('server_compat')];
const schema = (from: Record<string, unknown>, name: string): DescMessage =>
  from[`${name}Schema`] as DescMessage;
const conformance = service['ConformanceService'] as DescService;
const registry = createRegistry(service['file_connectrpc_conformance_v1_service'] as DescService['file']);

function addTo(target: Headers, headers: readonly Header[] = []): void {
  for (const { name, value } of headers) for (const each of value) target.append(name, each);
}

function requestInfo(method: DescMethodUnary, request: UnaryRequest, context: UnaryContext): Message {
  const timeoutMs = context.timeoutMs();
  const info = schema(service, 'ConformancePayload').nestedMessages.find(
    ({ name }) => name === 'RequestInfo',
  );
  return create(
    info as DescMessage,
    {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      requests: [anyPack(method.input, request)],
      ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.round(timeoutMs)) }),
    } as never,
  );
}

async function respond(
  method: DescMethodUnary,
  request: UnaryRequest,
  context: UnaryContext,
): Promise<never> {
  const definition = request.responseDefinition;
  const info = requestInfo(method, request, context);
  addTo(context.responseHeader, definition?.responseHeaders);
  addTo(context.responseTrailer, definition?.responseTrailers);
  const delayMs = definition?.responseDelayMs ?? 0;
  // The wait ends at the caller's deadline.
  if (delayMs > 0) await sleep(delayMs, undefined, { signal: context.signal });
  if (definition?.response.case === 'error') {
    const { code, message = '', details } = definition.response.value;
    const infoDetail = { desc: registry.getMessage(info.$typeName) as DescMessage, value: info as never };
    const given = details.map(({ typeUrl, value }) => ({ type: typeUrl.split('/').pop() ?? '', value }));
    const error = new ConnectError(message, code, undefined, [infoDetail]);
    error.details = [...given, ...error.details];
    throw error;
  }
  const data = definition?.response.value ?? new Uint8Array(0);
  return { payload: { data, requestInfo: info } } as never;
}

function routeAll(routes: RpcRoutes, readMaxBytes: number): void {
  for (const name of ['unary', 'idempotentUnary']) {
    const method = conformance.method[name] as DescMethodUnary;
    routes.unary(method, {
      limits: { readMaxBytes, fieldsMax: readMaxBytes },
      impl: (request, context) => respond(method, request as UnaryRequest, context),
    });
  }
}

async function readRequest(): Promise<CompatRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    const all = Buffer.concat(chunks);
    if (all.length < 4 || all.length < 4 + all.readUInt32BE(0)) continue;
    const message = all.subarray(4, 4 + all.readUInt32BE(0));
    return fromBinary(schema(compat, 'ServerCompatRequest'), message) as CompatRequest;
  }
  throw new Error('no request came');
}

/** The certificate of the server is for 127.0.0.1. */
function tlsOf({ clientTlsCert }: CompatRequest, authority: Authority): EdgeTls {
  const ca = clientTlsCert.length === 0 ? undefined : Buffer.from(clientTlsCert).toString();
  return { ...authority.issue(), ca };
}

const asked = await readRequest();
const { messageReceiveLimit } = asked;
const authority = asked.useTls ? new Authority() : undefined;
const edge = await openRpcEdge({
  isDirect: way === 'direct',
  compressMinBytes: 1,
  jsonOptions: {
    registry,
    ignoreUnknownFields: false,
    textDecoder: new TextDecoder('utf-8', { fatal: true }),
  },
  observe: () => {},
  tls: authority && tlsOf(asked, authority),
  routes: (routes) => routeAll(routes, messageReceiveLimit === 0 ? 4_000_000 : messageReceiveLimit),
});
const answer = schema(compat, 'ServerCompatResponse');
const pemCert = Buffer.from(authority?.cert ?? '');
const bytes = toBinary(answer, create(answer, { host: '127.0.0.1', port: edge.port, pemCert } as never));
const length = Buffer.alloc(4);
length.writeUInt32BE(bytes.length);
process.stdout.write(Buffer.concat([length, bytes]));
await once(process, 'SIGTERM');
edge.close();
process.exit(0);
