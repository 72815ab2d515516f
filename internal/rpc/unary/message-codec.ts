/** Messages to and from bytes, with the errors that connect-node gives, save that bad input is the caller's fault. */

import {
  create,
  type DescMessage,
  fromBinary,
  type JsonReadOptions,
  type JsonWriteOptions,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import { messageOf } from '#platform/thrown.ts';
import { encodeBinary } from '#rpc/unary/binary-encoder.ts';
import { decodeJson } from '#wire/json-decode.ts';
import { checkMessage } from '#wire/message-check.ts';

export interface JsonOptions extends Partial<JsonReadOptions & JsonWriteOptions> {
  readonly textDecoder: TextDecoder;
}

/** What protobuf allows to be there and nobody here knows is passed over, not kept. */
export const BINARY_READING = { readUnknownFields: false };

/** Throws a WalnutError, before anything is made of it, where the message holds more than any request may. */
export function decodeMessage(
  schema: DescMessage,
  isBinary: boolean,
  bytes: Uint8Array,
  json: JsonOptions,
  fieldsMax: number,
): MessageShape<DescMessage> {
  if (isBinary) checkMessage(schema, bytes, fieldsMax);
  try {
    return isBinary ? fromBinary(schema, bytes, BINARY_READING) : decodeJson(schema, bytes, fieldsMax, json);
  } catch (error) {
    if (error instanceof WalnutError) throw error;
    const what = messageOf(error);
    throw new ConnectError(isBinary ? `parse binary: ${what}` : what, Code.InvalidArgument);
  }
}

/** With `headroom` unwritten bytes before it. `message` may be partial, as implementations give it. */
export function encodeMessage(
  schema: DescMessage,
  isBinary: boolean,
  message: MessageInitShape<DescMessage>,
  json: JsonOptions,
  headroom: number,
): Buffer {
  const whole = ('$typeName' in message ? message : create(schema, message)) as MessageShape<DescMessage>;
  try {
    if (isBinary) return encodeBinary(schema, whole, headroom);
    const text = toJsonString(schema, whole, json);
    const bytes = Buffer.allocUnsafe(headroom + Buffer.byteLength(text));
    bytes.write(text, headroom);
    return bytes;
  } catch (error) {
    const what = messageOf(error);
    throw new ConnectError(isBinary ? `serialize binary: ${what}` : what, Code.Internal);
  }
}
