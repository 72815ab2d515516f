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
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';

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

/** `message` may be partial, as implementations give it. */
export function encodeMessage(
  schema: DescMessage,
  isBinary: boolean,
  message: MessageInitShape<DescMessage>,
  json: JsonOptions,
): Uint8Array {
  const whole = ('$typeName' in message ? message : create(schema, message)) as MessageShape<DescMessage>;
  try {
    return isBinary ? toBinary(schema, whole) : Buffer.from(toJsonString(schema, whole, json), 'utf8');
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new ConnectError(isBinary ? `serialize binary: ${what}` : what, Code.Internal);
  }
}
