/**
 * Collects the body of one call. A body that came in one piece costs nothing;
 * one that is waited for counts against the budget of all connections until it
 * is answered or gone: as a whole where its length is known, and from its headers
 * on where that is more than one read. What cannot be taken is not waited for.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { BodyReservation } from '#rpc/body-budget.ts';
import { BodyPieces } from '#rpc/body-pieces.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';
import { undecodable } from '#rpc/undecodable.ts';

export interface BodyReader {
  /** The call's; made when it is first asked for. */
  readonly reservation: BodyReservation;
  readonly bytesMax: number;
  readonly clock: Clock;
  /**
   * The body's length as its first chunk tells it, or undefined where it does
   * not. Throws where it is too long.
   */
  lengthFrom(chunk: Uint8Array): number | undefined;
  /** The error for a body above `bytesMax`; `length` is the caller's. */
  tooLong(length: number | undefined): ConnectError;
  /** One of the two is called, once; neither may throw. */
  onWhole(body: Uint8Array): void;
  onFailed(error: unknown): void;
}

const NOTHING = new Uint8Array(0);
/** Most bytes that Node reads from a socket at once. A longer body arrives in several reads. */
const READ_BYTES_MAX = 65_536;

/** `length`: of the body, where the caller said. */
export function readBody(exchange: Exchange, length: number | undefined, reader: BodyReader): void {
  new Body(exchange, length, reader).read();
}

/**
 * One object for each call, since closures over its state would be five. Node
 * keeps a stream, and so its listeners, for longer than its call lasts: once it
 * is done this lets go of everything that it has.
 */
class Body implements BodySink {
  readonly #length: number | undefined;
  #exchange: Exchange | undefined;
  /** Undefined once it is done. */
  #reader: BodyReader | undefined;
  #expected: number | undefined;
  #first: Uint8Array | undefined;
  #all: BodyPieces | undefined;
  #received = 0;
  #reservation: BodyReservation | undefined;
  #counted = 0;

  constructor(exchange: Exchange, length: number | undefined, reader: BodyReader) {
    this.#exchange = exchange;
    this.#length = length;
    this.#reader = reader;
    this.#expected = length;
  }

  read(): void {
    const length = this.#length;
    if (this.#reader !== undefined && length !== undefined && length > this.#reader.bytesMax) {
      this.#fail(this.#reader.tooLong(length));
      return;
    }
    if (length !== undefined && length > READ_BYTES_MAX && !this.#tryAdmit(length)) return;
    this.#exchange?.read(this);
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#reader === undefined) return;
    try {
      this.#take(chunk, this.#reader);
    } catch (error) {
      this.#fail(error);
    }
  }

  onEnd(isWhole: boolean): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    const first = this.#first;
    const all = this.#all;
    const length = this.#length;
    this.#letGo();
    if (!isWhole) reader.onFailed(endedEarly());
    else if (length !== undefined && this.#received !== length)
      reader.onFailed(unkept(length, this.#received));
    else reader.onWhole(all === undefined ? (first ?? NOTHING) : all.take());
  }

  #take(chunk: Uint8Array, reader: BodyReader): void {
    const length = this.#length;
    const received = this.#received + chunk.length;
    this.#received = received;
    if (this.#first === undefined) {
      this.#first = chunk;
      this.#expected ??= reader.lengthFrom(chunk);
    } else {
      this.#all ??= this.#pieces(this.#first);
      this.#all.add(chunk);
    }
    if (length !== undefined && received > length) throw unkept(length, received);
    if (received > reader.bytesMax) throw reader.tooLong(length);
    if (received !== this.#expected) this.#wait(received);
  }

  #pieces(first: Uint8Array): BodyPieces {
    const pieces = new BodyPieces(this.#expected);
    pieces.add(first);
    return pieces;
  }

  #tryAdmit(length: number): boolean {
    try {
      this.#count(length, true);
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** Counts what the peer lets us wait for: all of it where that is known. */
  #wait(received: number): void {
    const expected = this.#expected ?? 0;
    if (this.#counted < expected) this.#count(expected, true);
    if (this.#counted < received) this.#count(received, false);
  }

  /** So many bytes in all. */
  #count(bytes: number, isKnown: boolean): void {
    const reservation = this.#reserved();
    const more = bytes - this.#counted;
    this.#counted = bytes;
    if (isKnown) reservation?.admit(more);
    else reservation?.grow(more);
  }

  #reserved(): BodyReservation | undefined {
    const reader = this.#reader;
    if (this.#reservation !== undefined || reader === undefined) return this.#reservation;
    const { reservation } = reader;
    this.#reservation = reservation;
    this.#exchange?.onClose(() => {
      reservation.release();
      if (this.#reader === undefined) return;
      this.#letGo();
      reader.onFailed(endedEarly());
    });
    return reservation;
  }

  #fail(error: unknown): void {
    const [reader, exchange] = [this.#reader, this.#exchange];
    this.#letGo();
    if (reader !== undefined) exchange?.rest?.(restMsOf(error), reader.clock);
    reader?.onFailed(error);
    exchange?.discard();
  }

  #letGo(): void {
    this.#reader = undefined;
    this.#exchange = undefined;
    this.#first = undefined;
    this.#all = undefined;
  }
}

/** How long a caller that was refused for want of room is asked to wait; 0 for another failure. */
function restMsOf(error: unknown): number {
  return error instanceof WalnutError ? 1_000 * (error.details.retryAfterS ?? 0) : 0;
}

export function endedEarly(): ConnectError {
  return new ConnectError('the request body ended early', Code.Canceled);
}

function unkept(promised: number, received: number): ConnectError {
  return undecodable(`protocol error: promised ${promised} bytes, received ${received}`);
}
