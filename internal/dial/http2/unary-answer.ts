/** The answer of a unary call in the Connect protocol: its message, or the error that it is. */
import { type DescMethodUnary, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { codeFromHttpStatus, errorFromJsonBytes } from '@connectrpc/connect/protocol-connect';
import { UNARY_HEADERS } from '#dial/endpoint.ts';
import type { AnswerHead } from '#dial/http2/unary-call.ts';

// biome-ignore lint/suspicious/noExplicitAny: any unary method; its shapes are inferred where it is called.
export type AnyUnary = DescMethodUnary<any, any>;

/** Throws `ConnectError` where the peer refused, and whatever decoding throws. */
export function readAnswer<M extends AnyUnary>(
  method: M,
  head: AnswerHead,
  body: Uint8Array,
): MessageShape<M['output']> {
  return fromBinary(method.output, messageIn(head, body)) as MessageShape<M['output']>;
}

/** The bytes of the message. Throws `ConnectError` where the peer refused. */
export function messageIn(head: AnswerHead, body: Uint8Array): Uint8Array {
  const { status } = head;
  const contentType = head.get('content-type') ?? '';
  if (status === 200 && contentType === UNARY_HEADERS['content-type']) return body;
  const code = status === 200 ? Code.Internal : codeFromHttpStatus(status);
  const said = `HTTP ${status}${contentType === '' ? '' : ` with ${contentType}`}: is it a Walnut node?`;
  const unknown = new ConnectError(said, code);
  if (!contentType.startsWith('application/json')) throw unknown;
  throw errorFromJsonBytes(body, headersOf(head), unknown);
}

export function headersOf({ fields }: Pick<AnswerHead, 'fields'>): Headers {
  const headers = new Headers();
  for (const { name, value } of fields) headers.append(name, value);
  return headers;
}
