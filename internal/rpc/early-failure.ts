/**
 * Unary calls that fail before their handler: Connect answers them itself, and
 * what it says of a body that is no protobuf is INTERNAL, as if the fault were
 * the server's. Here such answers become INVALID_ARGUMENT, and every early
 * failure gets the code that the metrics count it by.
 *
 * Connect's own text is what tells the case; should that ever change, the
 * tests of bad input fail.
 */

import { Code, ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { codeName } from '#wire/error-codec.ts';

export interface Settled {
  readonly answer: UniversalServerResponse;
  /** The Connect code in lower case. */
  readonly code: string;
}

const PARSE_FAILURE = 'parse binary: ';
const PARSE_FAILURE_ENCODED = 'parse%20binary';

/** The same of a message of a stream, which fails within the call. */
export function blamedOnCaller(error: ConnectError): ConnectError {
  const isParseFailure = error.code === Code.Internal && error.rawMessage.startsWith(PARSE_FAILURE);
  return isParseFailure ? new ConnectError(error.rawMessage, Code.InvalidArgument) : error;
}

export async function settleEarlyFailure(answer: UniversalServerResponse): Promise<Settled> {
  const { trailer } = answer;
  if (trailer?.has('grpc-status') === true) return settleGrpc(answer, trailer);
  const body = Buffer.concat(await collect(answer.body));
  const isGrpcWeb = answer.header?.get('content-type')?.startsWith('application/grpc-web') === true;
  return isGrpcWeb ? settleGrpcWeb(answer, body) : settleConnect(answer, body);
}

function settleGrpc(answer: UniversalServerResponse, trailer: Headers): Settled {
  if (trailer.get('grpc-message')?.startsWith(PARSE_FAILURE_ENCODED) === true) {
    trailer.set('grpc-status', String(Code.InvalidArgument));
  }
  return { answer, code: nameOf(Number(trailer.get('grpc-status'))) };
}

/** The body is one frame of trailers. A space keeps its length. */
function settleGrpcWeb(answer: UniversalServerResponse, body: Buffer): Settled {
  let text = body.toString('latin1');
  if (text.includes(PARSE_FAILURE_ENCODED)) {
    text = text.replace(`grpc-status: ${Code.Internal}`, `grpc-status: ${Code.InvalidArgument} `);
  }
  const status = /grpc-status: (\d+)/.exec(text)?.[1];
  return { answer: { ...answer, body: once(Buffer.from(text, 'latin1')) }, code: nameOf(Number(status)) };
}

function settleConnect(answer: UniversalServerResponse, body: Buffer): Settled {
  const error = readError(body);
  if (!error.message.startsWith(PARSE_FAILURE)) {
    return { answer: { ...answer, body: once(body) }, code: error.code };
  }
  const code = codeName(Code.InvalidArgument);
  const corrected = Buffer.from(JSON.stringify({ code, message: error.message }));
  const header = new Headers(answer.header);
  header.set('content-length', String(corrected.length));
  return { answer: { status: 400, header, body: once(corrected) }, code };
}

function readError(body: Buffer): { readonly code: string; readonly message: string } {
  try {
    const { code, message } = JSON.parse(body.toString('utf8')) as { code?: unknown; message?: unknown };
    return { code: String(code), message: String(message ?? '') };
  } catch {
    return { code: 'unknown', message: '' };
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
