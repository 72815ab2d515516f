/**
 * Calls that fail before their handler: Connect answers unary ones itself, and what it
 * says of a body that is no protobuf is INTERNAL, as if the fault were the server's. Here
 * such answers become INVALID_ARGUMENT with the detail that nothing was done, as the
 * unary path has it, and every early failure gets the code that the metrics count it by.
 *
 * Connect's own text is what tells the case; should that ever change, the
 * tests of bad input fail.
 */

import { Code, type ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { trailerParse, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import type { JsonOptions } from '#rpc/unary/message-codec.ts';
import { undecodable } from '#rpc/undecodable.ts';
import { codeName } from '#wire/error-reader.ts';

export interface Settled {
  readonly answer: UniversalServerResponse;
  /** The Connect code in lower case. */
  readonly code: string;
}

const PARSE_FAILURE = 'parse binary: ';
const INVALID_ARGUMENT = codeName(Code.InvalidArgument);
const DETAILS = 'grpc-status-details-bin';
/** Flags and length before the trailers of gRPC-Web. */
const ENVELOPE_BYTES = 5;

/** The same of a message of a stream, which fails within the call. */
export function blamedOnCaller(error: ConnectError): ConnectError {
  const isParseFailure = error.code === Code.Internal && error.rawMessage.startsWith(PARSE_FAILURE);
  return isParseFailure ? undecodable(error.rawMessage) : error;
}

export async function settleEarlyFailure(
  answer: UniversalServerResponse,
  json: JsonOptions,
): Promise<Settled> {
  const { trailer } = answer;
  if (trailer?.has('grpc-status') === true) return { answer, code: settleTrailers(trailer) };
  const body = Buffer.concat(await collect(answer.body));
  const isGrpcWeb = answer.header?.get('content-type')?.startsWith('application/grpc-web') === true;
  return isGrpcWeb ? settleGrpcWeb(answer, body) : settleConnect(answer, body, json);
}

/** Corrects them in place. Returns the name of their code. */
function settleTrailers(trailers: Headers): string {
  const message = decodeURIComponent(trailers.get('grpc-message') ?? '');
  const code = Number(trailers.get('grpc-status'));
  const isUndecodable = code === Code.InvalidArgument || message.startsWith(PARSE_FAILURE);
  if (!isUndecodable) return nameOf(code);
  if (!trailers.has(DETAILS)) setTrailerStatus(trailers, undecodable(message));
  return nameOf(Code.InvalidArgument);
}

/** The body is one frame of trailers; compressed ones stay as they are. */
function settleGrpcWeb(answer: UniversalServerResponse, body: Buffer): Settled {
  const trailers = trailerParse(body.subarray(ENVELOPE_BYTES));
  if (!trailers.has('grpc-status')) return { answer: { ...answer, body: once(body) }, code: 'unknown' };
  const code = settleTrailers(trailers);
  const text = trailerSerialize(trailers);
  const head = Buffer.from(body.subarray(0, ENVELOPE_BYTES));
  head.writeUInt32BE(text.length, 1);
  return { answer: { ...answer, body: once(Buffer.concat([head, text])) }, code };
}

function settleConnect(answer: UniversalServerResponse, body: Buffer, json: JsonOptions): Settled {
  const { code, message, hasDetails } = readError(body);
  const isUndecodable = code === INVALID_ARGUMENT || message.startsWith(PARSE_FAILURE);
  if (!isUndecodable || hasDetails) return { answer: { ...answer, body: once(body) }, code };
  const corrected = errorToJsonBytes(undecodable(message), json);
  const header = new Headers(answer.header);
  header.set('content-length', String(corrected.length));
  return { answer: { status: 400, header, body: once(corrected) }, code: INVALID_ARGUMENT };
}

function readError(body: Buffer): {
  readonly code: string;
  readonly message: string;
  readonly hasDetails: boolean;
} {
  try {
    const error = JSON.parse(body.toString('utf8')) as {
      code?: unknown;
      message?: unknown;
      details?: unknown;
    };
    const { code, message, details } = error;
    return { code: String(code), message: String(message ?? ''), hasDetails: details !== undefined };
  } catch {
    return { code: 'unknown', message: '', hasDetails: false };
  }
}

function nameOf(code: number): string {
  return codeName(code as Code);
}

async function collect(body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  if (body !== undefined) for await (const chunk of body) chunks.push(chunk);
  return chunks;
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
