/**
 * Which requests the unary path takes: what their headers ask for, or undefined
 * where it is more than the path does, or wrong in any way. Those go to the
 * adapter, which knows all of the protocols, untouched.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { DescMethodUnary } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { parseTimeout as parseConnectTimeout } from '@connectrpc/connect/protocol-connect';
import { parseTimeout as parseGrpcTimeout } from '@connectrpc/connect/protocol-grpc';
import { readGetQuery } from '#rpc/unary/get-query.ts';

export type ProtocolName = 'connect' | 'grpc' | 'grpc-web';

export interface RequestShape {
  readonly protocol: ProtocolName;
  readonly isBinary: boolean;
  /** Connect: the whole message. gRPC: those whose envelope says so. */
  readonly isGzip: boolean;
  readonly timeoutMs: number | undefined;
  /** The message of a Connect GET, which has no body. */
  readonly message: Uint8Array | undefined;
  /** Connect: bytes of the body, where the caller said. gRPC's envelopes tell. */
  readonly length: number | undefined;
}

export interface RequestLine {
  readonly verb: string;
  readonly query: string;
  readonly isHttp2: boolean;
}

interface ContentType {
  readonly protocol: ProtocolName;
  readonly isBinary: boolean;
}

const CONTENT_TYPES: ReadonlyMap<string, ContentType> = new Map([
  ['application/proto', { protocol: 'connect', isBinary: true }],
  ['application/json', { protocol: 'connect', isBinary: false }],
  ['application/json; charset=utf-8', { protocol: 'connect', isBinary: false }],
  ['application/grpc', { protocol: 'grpc', isBinary: true }],
  ['application/grpc+proto', { protocol: 'grpc', isBinary: true }],
  ['application/grpc+json', { protocol: 'grpc', isBinary: false }],
  ['application/grpc-web', { protocol: 'grpc-web', isBinary: true }],
  ['application/grpc-web+proto', { protocol: 'grpc-web', isBinary: true }],
  ['application/grpc-web+json', { protocol: 'grpc-web', isBinary: false }],
]);

/** Content types in any case, and those of JSON with a character set. */
function contentTypeOf(text: string): ContentType | undefined {
  const known = CONTENT_TYPES.get(text);
  if (known !== undefined) return known;
  const lower = text.toLowerCase();
  const plain = lower.replace(/; ?charset=utf-?8$/, '');
  return plain === lower || plain.endsWith('json') ? CONTENT_TYPES.get(plain) : undefined;
}

export function shapeOf(
  method: DescMethodUnary,
  line: RequestLine,
  headers: IncomingHttpHeaders,
): RequestShape | undefined {
  if (!isPlainAuthority(headers[':authority'] ?? headers.host)) return undefined;
  if (line.verb === 'POST') return shapeOfPost(line, headers);
  const isReadable = method.idempotency === IdempotencyLevel.NO_SIDE_EFFECTS;
  return line.verb === 'GET' && isReadable ? shapeOfGet(line, headers) : undefined;
}

function shapeOfPost({ isHttp2 }: RequestLine, headers: IncomingHttpHeaders): RequestShape | undefined {
  const type = contentTypeOf(headers['content-type'] ?? '');
  const transfer = headers['transfer-encoding'];
  if (type === undefined || (transfer !== undefined && transfer !== 'chunked')) return undefined;
  if (type.protocol === 'grpc' && !isHttp2) return undefined;
  const isGrpc = type.protocol !== 'connect';
  const encoding = encodingOf(headers[isGrpc ? 'grpc-encoding' : 'content-encoding']);
  if (encoding === undefined) return undefined;
  const { protocol, isBinary } = type;
  const shape = { protocol, isBinary, isGzip: encoding === 'gzip', message: undefined };
  return withCallValues(shape, headers, isHttp2 || transfer !== undefined);
}

/**
 * Adds to a shape what the fields say that belong to one call; undefined where it is
 * not taken because of them. `mayLackLength`: a body may come without Content-Length.
 */
export function withCallValues(
  { protocol, isBinary, isGzip, message }: Omit<RequestShape, 'timeoutMs' | 'length'>,
  headers: IncomingHttpHeaders,
  mayLackLength: boolean,
): RequestShape | undefined {
  // A Connect GET has its message in the query, and no body.
  if (message !== undefined && (headers['content-length'] ?? '0') !== '0') return undefined;
  const announced = lengthOf(headers['content-length'], mayLackLength);
  const timeout = timeoutOf(protocol, headers);
  if (announced === undefined || timeout === undefined) return undefined;
  const length = protocol === 'connect' && announced !== UNKNOWN_LENGTH ? announced : undefined;
  return { protocol, isBinary, isGzip, timeoutMs: timeout.timeoutMs, message, length };
}

const UNKNOWN_LENGTH = -1;

/** Undefined where it is no number. HTTP/1.1 without one, and without chunks, has no body. */
function lengthOf(text: string | undefined, mayBeLeftOut: boolean): number | undefined {
  if (text === undefined) return mayBeLeftOut ? UNKNOWN_LENGTH : 0;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function encodingOf(text: string | string[] | undefined): 'gzip' | 'identity' | undefined {
  if (text === undefined || text === 'identity') return 'identity';
  return text === 'gzip' ? 'gzip' : undefined;
}

const NO_TIMEOUT = { timeoutMs: undefined } as const;

export function timeoutOf(
  protocol: ProtocolName,
  headers: IncomingHttpHeaders,
): { readonly timeoutMs: number | undefined } | undefined {
  const text = headers[protocol === 'connect' ? 'connect-timeout-ms' : 'grpc-timeout'];
  if (text === undefined) return NO_TIMEOUT;
  if (typeof text !== 'string') return undefined;
  const parse = protocol === 'connect' ? parseConnectTimeout : parseGrpcTimeout;
  const { timeoutMs, error } = parse(text, Number.MAX_SAFE_INTEGER);
  return error === undefined && timeoutMs !== undefined ? { timeoutMs } : undefined;
}

/** Printable ASCII without a fragment: what no URL parser changes. */
const PLAIN_QUERY = /^[!"$-~]*$/;

function shapeOfGet({ query }: RequestLine, headers: IncomingHttpHeaders): RequestShape | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  if (headers['content-type'] !== undefined || headers.expect !== undefined) return undefined;
  if (!PLAIN_QUERY.test(query)) return undefined;
  const read = readGetQuery(query);
  if (typeof read === 'string') return undefined;
  const { parameters, message } = read;
  const format = parameters.get('encoding');
  if (format !== 'proto' && format !== 'json') return undefined;
  const encoding = encodingOf(parameters.get('compression') ?? undefined);
  if (encoding === undefined) return undefined;
  const shape = {
    protocol: 'connect',
    isBinary: format === 'proto',
    isGzip: encoding === 'gzip',
    message,
  } as const;
  return withCallValues(shape, headers, false);
}

let lastPlainAuthority = '';

/** The adapter refuses requests from which connect-node cannot make a URL. */
export function isPlainAuthority(authority: string | string[] | undefined): boolean {
  if (typeof authority !== 'string' || authority === '') return false;
  if (authority === lastPlainAuthority) return true;
  const port = /^(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(authority);
  if (port === null || Number(port[1] ?? 0) > 65_535) return false;
  lastPlainAuthority = authority;
  return true;
}
