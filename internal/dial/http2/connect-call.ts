/** The Connect protocol on our own HTTP/2: the head of a call, and what a call that failed is told as. */
import type { DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Endpoint, pathOf, UNARY_HEADERS } from '#dial/endpoint.ts';
import type { CallFailure } from '#dial/http2/outgoing-call.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';
import { ErrorCode } from '#http/http2/frame.ts';

/** A longer body is announced, so that its reader makes room for it once. */
const ANNOUNCED_BYTES_MIN = 16_384;

/** Lists by endpoint and method: the encoder knows the identical list by its first bytes. */
const known = new WeakMap<Endpoint, Map<DescMethodUnary, FieldList>>();

/** The head of a unary call with a protobuf body of so many bytes. */
export function unaryFields(endpoint: Endpoint, method: DescMethodUnary, bodyBytes: number): FieldList {
  let lists = known.get(endpoint);
  if (lists === undefined) {
    lists = new Map();
    known.set(endpoint, lists);
  }
  const credential = endpoint.authorization?.();
  let list = lists.get(method);
  // The credential is the last field, and changes where its file does.
  if (list === undefined || (credential !== undefined && list.at(-1) !== credential)) {
    const own = credential === undefined ? [] : ['authorization', credential];
    list = [...pseudoFields(endpoint, pathOf(method)), ...Object.entries(UNARY_HEADERS).flat(), ...own];
    lists.set(method, list);
  }
  return bodyBytes < ANNOUNCED_BYTES_MIN ? list : [...list, 'content-length', String(bodyBytes)];
}

/** What every request begins with. */
export function pseudoFields({ text }: Endpoint, path: string): FieldList {
  return [':method', 'POST', ':scheme', 'http', ':authority', text, ':path', path];
}

/** With the codes that connect-node gives. */
export function callError({ code, why }: CallFailure): ConnectError {
  return new ConnectError(why, codeOf(code));
}

function codeOf(code: number | undefined): Code {
  switch (code) {
    case undefined:
    case ErrorCode.refusedStream:
      return Code.Unavailable;
    case ErrorCode.cancel:
      return Code.Canceled;
    case ErrorCode.enhanceYourCalm:
      return Code.ResourceExhausted;
    case ErrorCode.inadequateSecurity:
      return Code.PermissionDenied;
    default:
      return Code.Internal;
  }
}
