/**
 * Reads the one message that a caller sends before a stream answers, as Connect does: with
 * its words, and judging what is wrong as it arrives. Throws a ConnectError.
 */
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { messageOf } from '#platform/thrown.ts';
import { BINARY_READING } from '#rpc/unary/message-codec.ts';
import { COMPRESSED, ENVELOPE_BYTES, tooLarge } from '#rpc/unary/protocols.ts';
import { undecodable } from '#rpc/undecodable.ts';

interface Envelope {
  readonly flags: number;
  readonly message: Buffer;
}

const NOTHING = Buffer.alloc(0);

export class SingleMessage {
  readonly #schema: DescMessage;
  readonly #readMaxBytes: number;
  /** An envelope with this flag is no message; 0: every one is. */
  readonly #endFlag: number;
  #rest = NOTHING;
  /** The last head that came, while its message is not whole. */
  #head: { readonly flags: number; readonly bytes: number } | undefined;
  #message: MessageShape<DescMessage> | undefined;

  constructor(schema: DescMessage, readMaxBytes: number, endFlag: number) {
    this.#schema = schema;
    this.#readMaxBytes = readMaxBytes;
    this.#endFlag = endFlag;
  }

  /** The chunk may be used again. */
  take(chunk: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const envelopes: Envelope[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) envelopes.push(next);
    for (const envelope of envelopes) this.#open(envelope);
  }

  /** The body is whole. */
  end(): MessageShape<DescMessage> {
    if (this.#rest.length > 0)
      throw new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument);
    if (this.#message === undefined) throw unimplemented('missing input message');
    return this.#message;
  }

  #next(): Envelope | undefined {
    if (this.#head === undefined && this.#rest.length >= ENVELOPE_BYTES) {
      const bytes = this.#rest.readUInt32BE(1);
      if (bytes > this.#readMaxBytes) throw tooLarge(bytes, this.#readMaxBytes);
      this.#head = { flags: this.#rest[0] as number, bytes };
      this.#rest = this.#rest.subarray(ENVELOPE_BYTES);
    }
    const head = this.#head;
    if (head === undefined || this.#rest.length < head.bytes) return undefined;
    const message = this.#rest.subarray(0, head.bytes);
    this.#rest = this.#rest.subarray(head.bytes);
    this.#head = undefined;
    return { flags: head.flags, message };
  }

  #open({ flags, message }: Envelope): void {
    if ((flags & COMPRESSED) !== 0) {
      throw new ConnectError(
        'received compressed envelope, but do not know how to decompress',
        Code.Internal,
      );
    }
    if ((flags & this.#endFlag) !== 0) return;
    const decoded = this.#decode(message);
    if (this.#message !== undefined) throw unimplemented('received extra input message');
    this.#message = decoded;
  }

  #decode(message: Buffer): MessageShape<DescMessage> {
    try {
      return fromBinary(this.#schema, message, BINARY_READING);
    } catch (error) {
      throw undecodable(`parse binary: ${messageOf(error)}`);
    }
  }
}

function unimplemented(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what} for server-streaming method`, Code.Unimplemented);
}
