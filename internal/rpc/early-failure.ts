/**
 * Calls that fail before their handler: Connect answers unary ones itself, and what it
 * says of a body that is no protobuf is INTERNAL, as if the fault were the server's. Here
 * such answers become INVALID_ARGUMENT, and all of them say that nothing was done and what
 * a message is too large for, as the unary path does. Each gets the code that the metrics
 * count it by.
 *
 * Connect's own text is what tells the case; should that ever change, the
 * tests of bad input fail.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { trailerParse, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import type { JsonOptions } from '#rpc/unary/message-codec.ts';
import { type NamedLimit, withLimitNamed } from '#rpc/unary/named-limit.ts';
import { unbegun, undecodable } from '#rpc/undecodable.ts';
import { WIRE_CODES, type WireCode } from '#wire/error-codes.ts';
import { codeName } from '#wire/error-reader.ts';

export interface Settled {
  readonly answer: UniversalServerResponse;
  /** The Connect code in lower case. */
  readonly code: string;
}

const PARSE_FAILURE = 'parse binary: ';
const DETAILS = 'grpc-status-details-bin';
/** Flags and length before the trailers of gRPC-Web. */
const ENVELOPE_BYTES = 5;

/** The same of a message of a stream, which fails within the call. */
export function blamedOnCaller(error: ConnectError): ConnectError {
  const isParseFailure = error.code === Code.Internal && error.rawMessage.startsWith(PARSE_FAILURE);
  return isParseFailure ? undecodable(error.rawMessage) : (withLimitNamed(error, undefined) as ConnectError);
}

/** What is known of the rpc. */
export interface FailedRpc {
  /** Undefined where its limit has no key. */
  readonly limit: NamedLimit | undefined;
  /** See `hasOwnDetails`. */
  readonly hasDetails: boolean;
}

export async function settleEarlyFailure(
  answer: UniversalServerResponse,
  json: JsonOptions,
  rpc: FailedRpc,
): Promise<Settled> {
  const { trailer } = answer;
  if (trailer?.has('grpc-status') === true) return { answer, code: settleTrailers(trailer, rpc) };
  const body = Buffer.concat(await collect(answer.body));
  const isGrpcWeb = answer.header?.get('content-type')?.startsWith('application/grpc-web') === true;
  return isGrpcWeb ? settleGrpcWeb(answer, body, rpc) : settleConnect(answer, body, json, rpc);
}

function corrected(code: Code, message: string, { limit, hasDetails }: FailedRpc): ConnectError {
  const isParseFailure = message.startsWith(PARSE_FAILURE);
  const error = new ConnectError(message, isParseFailure ? Code.InvalidArgument : code);
  return unbegun(withLimitNamed(error, limit) as ConnectError, hasDetails);
}

/** Corrects them in place. Returns the name of their code. */
function settleTrailers(trailers: Headers, rpc: FailedRpc): string {
  const code: Code = Number(trailers.get('grpc-status'));
  if (trailers.has(DETAILS)) return codeName(code);
  const error = corrected(code, decodeURIComponent(trailers.get('grpc-message') ?? ''), rpc);
  setTrailerStatus(trailers, error);
  return codeName(error.code);
}

/** The body is one frame of trailers; compressed ones stay as they are. */
function settleGrpcWeb(answer: UniversalServerResponse, body: Buffer, rpc: FailedRpc): Settled {
  const trailers = trailerParse(body.subarray(ENVELOPE_BYTES));
  if (!trailers.has('grpc-status')) return { answer: { ...answer, body: once(body) }, code: 'unknown' };
  const code = settleTrailers(trailers, rpc);
  const text = trailerSerialize(trailers);
  const head = Buffer.from(body.subarray(0, ENVELOPE_BYTES));
  head.writeUInt32BE(text.length, 1);
  return { answer: { ...answer, body: once(Buffer.concat([head, text])) }, code };
}

function settleConnect(
  answer: UniversalServerResponse,
  body: Buffer,
  json: JsonOptions,
  rpc: FailedRpc,
): Settled {
  const { code, message, isCorrectable } = readError(body);
  if (!isCorrectable) return { answer: { ...answer, body: once(body) }, code };
  const error = corrected(WIRE_CODES[code as WireCode], message, rpc);
  const bytes = errorToJsonBytes(error, json);
  const header = new Headers(answer.header);
  header.set('content-length', String(bytes.length));
  return {
    answer: { status: codeToHttpStatus(error.code), header, body: once(bytes) },
    code: codeName(error.code),
  };
}

function readError(body: Buffer): {
  readonly code: string;
  readonly message: string;
  readonly isCorrectable: boolean;
} {
  try {
    const error = JSON.parse(body.toString('utf8')) as {
      code?: unknown;
      message?: unknown;
      details?: unknown;
    };
    const { code, message, details } = error;
    const isCorrectable = details === undefined && Object.hasOwn(WIRE_CODES, String(code));
    return { code: String(code), message: String(message ?? ''), isCorrectable };
  } catch {
    // It is compressed.
    return { code: 'unknown', message: '', isCorrectable: false };
  }
}

async function collect(body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  if (body !== undefined) for await (const chunk of body) chunks.push(chunk);
  return chunks;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
