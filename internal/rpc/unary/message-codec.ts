/**
 * Messages to and from bytes, with the errors that connect-node gives, except that bad
 * input is the caller's fault.
 */

import {
  create,
  type DescMessage,
  fromBinary,
  type JsonReadOptions,
  type JsonWriteOptions,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import type { Slices } from '#platform/slices.ts';
import { messageOf } from '#platform/thrown.ts';
import { tryEncodeBinary } from '#rpc/unary/binary-encoder.ts';
import { encodeLargeBinary } from '#rpc/unary/large-binary.ts';
import { undecodable } from '#rpc/undecodable.ts';
import { decodeJson } from '#wire/json-decode.ts';
import { encodeJson } from '#wire/json-encode.ts';
import { checkMessage } from '#wire/message-check.ts';

export interface JsonOptions extends Partial<JsonReadOptions & JsonWriteOptions> {
  readonly textDecoder: TextDecoder;
}

/** Unknown fields are skipped and not kept. */
export const BINARY_READING = { readUnknownFields: false };

/**
 * Decodes protobuf. Throws a WalnutError, before anything is made of it, if the message
 * contains more than any request may.
 */
export function decodeBinary(
  schema: DescMessage,
  bytes: Uint8Array,
  fieldsMax: number,
): MessageShape<DescMessage> {
  checkMessage(schema, bytes, fieldsMax);
  try {
    return fromBinary(schema, bytes, BINARY_READING);
  } catch (error) {
    throw undecodable(`parse binary: ${messageOf(error)}`);
  }
}

/** Like `decodeBinary`, from JSON, in slices. */
export function* decodeJsonMessage(
  schema: DescMessage,
  bytes: Uint8Array,
  fieldsMax: number,
  json: JsonOptions,
): Slices<MessageShape<DescMessage>> {
  try {
    return yield* decodeJson(schema, bytes, fieldsMax, json);
  } catch (error) {
    throw error instanceof WalnutError ? error : undecodable(messageOf(error));
  }
}

/**
 * With `headroom` unwritten bytes before it, in slices where it is large. `message` may be
 * partial, as implementations return it.
 */
export function encodeBinaryMessage(
  schema: DescMessage,
  message: MessageInitShape<DescMessage>,
  headroom: number,
): Buffer | Slices<Buffer> {
  const whole = wholeOf(schema, message);
  return tryEncodeBinary(schema, whole, headroom) ?? encodeLarge(schema, whole, headroom);
}

function* encodeLarge(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  headroom: number,
): Slices<Buffer> {
  try {
    return yield* encodeLargeBinary(schema, message, headroom);
  } catch (error) {
    throw notEncoded(`serialize binary: ${messageOf(error)}`);
  }
}

/** Like `encodeBinaryMessage`, to JSON, in slices. */
export function* encodeJsonMessage(
  schema: DescMessage,
  message: MessageInitShape<DescMessage>,
  json: JsonOptions,
  headroom: number,
): Slices<Buffer> {
  try {
    return yield* encodeJson(schema, wholeOf(schema, message), json, headroom);
  } catch (error) {
    throw notEncoded(messageOf(error));
  }
}

function wholeOf(schema: DescMessage, message: MessageInitShape<DescMessage>): MessageShape<DescMessage> {
  return ('$typeName' in message ? message : create(schema, message)) as MessageShape<DescMessage>;
}

function notEncoded(what: string): ConnectError {
  return new ConnectError(what, Code.Internal);
}
