/** Messages to and from bytes, with the errors that connect-node gives, save that bad input is the caller's fault. */
import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type JsonReadOptions,
  type JsonWriteOptions,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { encodeBinary } from '#server/unary/binary-encoder.ts';

export interface JsonOptions extends Partial<JsonReadOptions & JsonWriteOptions> {
  readonly textDecoder: TextDecoder;
}

export function decodeMessage(
  schema: DescMessage,
  isBinary: boolean,
  bytes: Uint8Array,
  json: JsonOptions,
): MessageShape<DescMessage> {
  try {
    return isBinary
      ? fromBinary(schema, bytes)
      : fromJsonString(schema, json.textDecoder.decode(bytes), json);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
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
    const what = error instanceof Error ? error.message : String(error);
    throw new ConnectError(isBinary ? `serialize binary: ${what}` : what, Code.Internal);
  }
}
