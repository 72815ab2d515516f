/**
 * How Connect, gRPC and gRPC-Web put a unary call into HTTP: the contents of a body, and
 * the form of an answer and of an error. The words of errors are connect-node's, so
 * that a caller cannot tell which of the two ways served it.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { mergeNonProtocolHeaders } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes, trailerMux } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import { relaxGrpcTrailers } from '#rpc/grpc-message.ts';
import { type Answer, type AnswerHeaders, OK_TRAILERS, type PlainHead } from '#rpc/unary/answer.ts';
import type { CallContext } from '#rpc/unary/call-context.ts';

import type { JsonOptions } from '#rpc/unary/message-codec.ts';
import type { ProtocolName, RequestShape } from '#rpc/unary/request-shape.ts';
import { undecodable } from '#rpc/undecodable.ts';

export interface ReceivedMessage {
  readonly bytes: Uint8Array;
  readonly isGzip: boolean;
  /** The error in the rest of the body, reported if the message itself is well-formed. */
  readonly excess: ConnectError | undefined;
}

export interface SentMessage {
  /** With the protocol's headroom before it. */
  readonly bytes: Buffer;
  readonly isGzip: boolean;
}

export interface Protocol {
  /** Longer bodies are not read. */
  bodyBytesMax(readMaxBytes: number): number;
  /** The error for such a body; `length` is the caller's. */
  tooLong(length: number | undefined, readMaxBytes: number): ConnectError;
  /** The body's length where its first chunk tells it. Throws a ConnectError where it is too long. */
  lengthFrom(chunk: Uint8Array, readMaxBytes: number): number | undefined;
  /** Throws a ConnectError if the body does not contain a message. */
  open(body: Uint8Array, shape: RequestShape, readMaxBytes: number): ReceivedMessage;
  /** Bytes that an answer needs before its message. */
  readonly headroom: number;
  /** True if the caller accepts a compressed answer. */
  acceptsGzip(shape: RequestShape, context: CallContext): boolean;
  succeed(message: SentMessage, shape: RequestShape, context: CallContext): Answer;
  /** `json`: for the readable form of error details. */
  fail(error: ConnectError, shape: RequestShape, context: CallContext, json: JsonOptions): Answer;
}

const PROTO = 'application/proto';
const JSON_TYPE = 'application/json';
/** An answer to a GET may be kept on its way, and asked for again. */
const OF_GET: AnswerHeaders = { 'cache-control': 'no-cache' };
const CONNECT_PLAIN: readonly PlainHead[] = [
  { headers: { 'content-type': PROTO }, isSized: true },
  { headers: { 'content-type': JSON_TYPE }, isSized: true },
  { headers: { 'content-type': PROTO, ...OF_GET }, isSized: true },
  { headers: { 'content-type': JSON_TYPE, ...OF_GET }, isSized: true },
];

function connectPlain({ isBinary, message }: RequestShape): PlainHead {
  return CONNECT_PLAIN[(message === undefined ? 0 : 2) + (isBinary ? 0 : 1)] as PlainHead;
}

export function tooLarge(bytes: number | undefined, readMaxBytes: number): ConnectError {
  const size = bytes === undefined ? '' : ` ${bytes}`;
  const message = `message size${size} is larger than configured readMaxBytes ${readMaxBytes}`;
  return new ConnectError(message, Code.ResourceExhausted);
}

const connect: Protocol = {
  bodyBytesMax: (readMaxBytes) => readMaxBytes,
  tooLong: tooLarge,
  lengthFrom: () => undefined,
  open: (body, { isGzip }, readMaxBytes) => {
    if (body.length > readMaxBytes) throw tooLarge(body.length, readMaxBytes);
    return { bytes: body, isGzip, excess: undefined };
  },
  headroom: 0,
  acceptsGzip: ({ isGzip }, { headers }) => isGzipAccepted(headers['accept-encoding'], isGzip),
  succeed: ({ bytes, isGzip }, shape, context) => {
    const plain = connectPlain(shape);
    const { madeHeader, madeTrailer, positions } = context;
    if (!isGzip && madeHeader === undefined && madeTrailer === undefined) {
      return { status: 200, headers: plain.headers, plain, positions, body: bytes };
    }
    const headers: AnswerHeaders = { ...plain.headers, 'content-length': String(bytes.length) };
    if (isGzip) headers['content-encoding'] = 'gzip';
    addConnectMetadata(headers, madeHeader, madeTrailer);
    return { status: 200, headers, positions, body: bytes };
  },
  fail: (error, { message }, context, json) => {
    const body = Buffer.from(errorToJsonBytes(error, json));
    const headers: AnswerHeaders = { 'content-type': JSON_TYPE, 'content-length': String(body.length) };
    if (message !== undefined) Object.assign(headers, OF_GET);
    const metadata = new Headers(context.madeHeader);
    if (!error.isWireError) mergeNonProtocolHeaders(metadata, error.metadata);
    addConnectMetadata(headers, metadata, context.madeTrailer);
    return { status: codeToHttpStatus(error.code), headers, body };
  },
};

function addConnectMetadata(
  headers: AnswerHeaders,
  header: Headers | undefined,
  trailer: Headers | undefined,
): void {
  if (trailer !== undefined) addHeaders(headers, trailerMux(header ?? new Headers(), trailer));
  else if (header !== undefined) addHeaders(headers, header);
}

export const ENVELOPE_BYTES = 5;
export const COMPRESSED = 1;

const grpc: Protocol = {
  // Behind the message may come another one, which is refused for what it is.
  bodyBytesMax: (readMaxBytes) => 2 * (ENVELOPE_BYTES + readMaxBytes),
  tooLong: extraMessage,
  lengthFrom: (chunk, readMaxBytes) => {
    if (chunk.length < ENVELOPE_BYTES) return undefined;
    const bytes = sizeOf(chunk);
    if (bytes > readMaxBytes) throw tooLarge(bytes, readMaxBytes);
    return ENVELOPE_BYTES + bytes;
  },
  open: (body, { isGzip }, readMaxBytes) => {
    if (body.length === 0) throw missingMessage();
    const end = grpc.lengthFrom(body, readMaxBytes);
    if (end === undefined) throw incompleteEnvelope();
    if (body.length < end) throw body.length === ENVELOPE_BYTES ? missingMessage() : incompleteEnvelope();
    const isCompressed = ((body[0] as number) & COMPRESSED) === COMPRESSED;
    if (isCompressed && !isGzip) {
      const message = 'received compressed envelope, but do not know how to decompress';
      throw new ConnectError(message, Code.Internal);
    }
    const excess = body.length === end ? undefined : excessOf(body.subarray(end), readMaxBytes);
    return { bytes: body.subarray(ENVELOPE_BYTES, end), isGzip: isCompressed, excess };
  },
  headroom: ENVELOPE_BYTES,
  acceptsGzip: ({ isGzip }, { headers }) => isGzipAccepted(headers['grpc-accept-encoding'], isGzip),
  succeed: ({ bytes, isGzip }, shape, context) => {
    const { headers, plain } = grpcHead(shape, context);
    const { madeTrailer, positions } = context;
    const trailers = madeTrailer === undefined ? OK_TRAILERS : { ...OK_TRAILERS };
    if (madeTrailer !== undefined) addHeaders(trailers, madeTrailer);
    const body = enveloped(isGzip ? COMPRESSED : 0, bytes);
    return { status: 200, headers, plain, positions, body, trailers };
  },
  fail: (error, shape, context) => {
    const { headers, plain } = grpcHead(shape, context);
    const trailers = toNodeHeaders(
      relaxGrpcTrailers(setTrailerStatus(new Headers(context.madeTrailer), error)),
    );
    return { status: 200, headers, plain, body: NOTHING, trailers };
  },
};

export const TRAILERS = 0x80;

/** Like gRPC, with the trailers in a last envelope of the body, because browsers do not show HTTP trailers to programs. */
const grpcWeb: Protocol = {
  ...grpc,
  open: (body, shape, readMaxBytes) => {
    const opened = grpc.open(body, shape, readMaxBytes);
    if (((body[0] as number) & TRAILERS) !== 0) throw missingMessage();
    return opened;
  },
  succeed: ({ bytes, isGzip }, shape, context) => {
    const message = enveloped(isGzip ? COMPRESSED : 0, bytes);
    const trailers = new Headers(context.madeTrailer);
    trailers.set('grpc-status', '0');
    const body = Buffer.concat([message, trailersEnvelope(trailers)]);
    return { status: 200, ...grpcHead(shape, context), positions: context.positions, body };
  },
  fail: (error, shape, context) => {
    const trailers = relaxGrpcTrailers(setTrailerStatus(new Headers(context.madeTrailer), error));
    return { status: 200, ...grpcHead(shape, context), body: trailersEnvelope(trailers) };
  },
};

/** Writes flags and length into the room for them at the beginning of `bytes`. */
export function enveloped(flags: number, bytes: Buffer): Buffer {
  bytes[0] = flags;
  bytes.writeUInt32BE(bytes.length - ENVELOPE_BYTES, 1);
  return bytes;
}

function trailersEnvelope(trailers: Headers): Buffer {
  const text = trailerSerialize(trailers);
  const envelope = Buffer.alloc(ENVELOPE_BYTES + text.length);
  envelope[0] = TRAILERS;
  envelope.writeUInt32BE(text.length, 1);
  envelope.set(text, ENVELOPE_BYTES);
  return envelope;
}

function missingMessage(): ConnectError {
  return new ConnectError('protocol error: missing input message for unary method', Code.Unimplemented);
}

function extraMessage(): ConnectError {
  return new ConnectError(
    'protocol error: received extra input message for unary method',
    Code.Unimplemented,
  );
}

function incompleteEnvelope(): ConnectError {
  return undecodable('protocol error: incomplete envelope');
}

/** The error for bytes behind a message. */
function excessOf(rest: Uint8Array, readMaxBytes: number): ConnectError {
  const end = grpc.lengthFrom(rest, readMaxBytes);
  return end === undefined || rest.length < end ? incompleteEnvelope() : extraMessage();
}

const NOTHING = Buffer.alloc(0);

/** The message's size as its envelope gives it, big-endian behind the flags. */
function sizeOf(envelope: Uint8Array): number {
  let bytes = 0;
  for (let i = 1; i < ENVELOPE_BYTES; i++) bytes = bytes * 256 + (envelope[i] ?? 0);
  return bytes;
}

interface GrpcHead {
  readonly headers: AnswerHeaders;
  readonly plain: PlainHead | undefined;
}

const GRPC_PLAIN = [
  grpcPlain('grpc+proto', false),
  grpcPlain('grpc+proto', true),
  grpcPlain('grpc+json', false),
  grpcPlain('grpc+json', true),
  grpcPlain('grpc-web+proto', false),
  grpcPlain('grpc-web+proto', true),
  grpcPlain('grpc-web+json', false),
  grpcPlain('grpc-web+json', true),
] as const;

function grpcPlain(kind: string, acceptsGzip: boolean): GrpcHead {
  const headers: AnswerHeaders = { 'content-type': `application/${kind}` };
  if (acceptsGzip) headers['grpc-encoding'] = 'gzip';
  return { headers, plain: { headers, isSized: false } };
}

function grpcHead(shape: RequestShape, context: CallContext): GrpcHead {
  const place =
    (shape.protocol === 'grpc-web' ? 4 : 0) +
    (shape.isBinary ? 0 : 2) +
    (grpc.acceptsGzip(shape, context) ? 1 : 0);
  const head = GRPC_PLAIN[place] as GrpcHead;
  const { madeHeader } = context;
  if (madeHeader === undefined) return head;
  const headers = { ...head.headers };
  addHeaders(headers, madeHeader);
  return { headers, plain: undefined };
}

/** A caller that names nothing reads what it writes. */
export function isGzipAccepted(accepted: string | string[] | undefined, isRequestGzip: boolean): boolean {
  if (accepted === undefined || accepted === '') return isRequestGzip;
  if (accepted === 'gzip') return true;
  const names = Array.isArray(accepted) ? accepted.join(',') : accepted;
  return names.split(',').some((name) => name.trim() === 'gzip');
}

export function toNodeHeaders(source: Headers | undefined): AnswerHeaders {
  const headers: AnswerHeaders = {};
  if (source !== undefined) addHeaders(headers, source);
  return headers;
}

function addHeaders(target: AnswerHeaders, source: Headers): void {
  for (const [name, value] of source) {
    // Only cookies come more than once.
    const before = name === 'set-cookie' ? target[name] : undefined;
    target[name] = before === undefined ? value : [before, value].flat();
  }
}

export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = {
  connect,
  grpc,
  'grpc-web': grpcWeb,
};
