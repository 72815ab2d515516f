/**
 * Collects the body of one call. A body that came in one piece costs nothing;
 * one that is waited for counts against the budget of all connections until it
 * is answered or gone. What cannot be taken any more is not waited for.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import type { BodyBudget, BodyReservation } from '#server/body-budget.ts';
import type { Exchange } from '#server/unary/exchange.ts';

export interface BodyReader {
  readonly budget: BodyBudget;
  readonly bytesMax: number;
  /**
   * The body's length as its first chunk tells it, or undefined where it does
   * not. Throws where it is too long.
   */
  lengthFrom(chunk: Uint8Array): number | undefined;
  /** What to say of a body above `bytesMax`; `length` as the caller gave it. */
  tooLong(length: number | undefined): ConnectError;
  /** One of the two is called, once; neither may throw. */
  onWhole(body: Uint8Array): void;
  onFailed(error: unknown): void;
}

const NOTHING = new Uint8Array(0);

/** `length`: of the body, where the caller said. */
export function readBody(exchange: Exchange, length: number | undefined, reader: BodyReader): void {
  let expected = length;
  let first: Uint8Array | undefined;
  let all: Uint8Array[] | undefined;
  let received = 0;
  let reservation: BodyReservation | undefined;
  let counted = 0;
  let isDone = false;

  const fail = (error: unknown): void => {
    isDone = true;
    reader.onFailed(error);
    exchange.discard();
  };
  /** Counts what the peer lets us wait for: all of it where that is known. */
  const wait = (): void => {
    reservation ??= reserve();
    const due = Math.max(expected ?? 0, received);
    reservation.add(due - counted);
    counted = due;
  };
  const reserve = (): BodyReservation => {
    const made = reader.budget.reserve();
    exchange.onClose(() => {
      made.release();
      if (isDone) return;
      isDone = true;
      reader.onFailed(new ConnectError('the request body ended early', Code.Canceled));
    });
    return made;
  };
  const take = (chunk: Uint8Array): void => {
    received += chunk.length;
    if (first === undefined) {
      first = chunk;
      expected ??= reader.lengthFrom(chunk);
    } else {
      all ??= [first];
      all.push(chunk);
    }
    if (length !== undefined && received > length) throw unkept(length, received);
    if (received > reader.bytesMax) throw reader.tooLong(length);
    if (received !== expected) wait();
  };

  if (length !== undefined && length > reader.bytesMax) {
    fail(reader.tooLong(length));
    return;
  }
  exchange.read(
    (chunk) => {
      if (isDone) return;
      try {
        take(chunk);
      } catch (error) {
        fail(error);
      }
    },
    () => {
      if (isDone) return;
      isDone = true;
      if (length !== undefined && received !== length) reader.onFailed(unkept(length, received));
      else reader.onWhole(all === undefined ? (first ?? NOTHING) : Buffer.concat(all, received));
    },
  );
}

function unkept(promised: number, received: number): ConnectError {
  const message = `protocol error: promised ${promised} bytes, received ${received}`;
  return new ConnectError(message, Code.InvalidArgument);
}
