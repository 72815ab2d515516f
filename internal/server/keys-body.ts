/**
 * The value in the body of a PUT, decoded: what `Content-Encoding` names is a
 * property of the message, and a value has no header to keep it in. Bounded on
 * the way in and, again, decompressed.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { BodyBudget, BodyReservation } from '#rpc/body-budget.ts';
import type { Waiter } from '#rpc/caller-queue.ts';
import type { GzipCompression } from '#rpc/gzip-compression.ts';
import { type HttpRequest, type HttpResponse, isOver, ownConnection, receiveBody } from '#rpc/http-io.ts';
import { restConnection } from '#rpc/resting-connection.ts';
import { HttpRefusal } from '#server/http-refusal.ts';
import { ValuePieces } from '#server/value-pieces.ts';

export interface KeysBodyOptions {
  readonly budget: BodyBudget;
  readonly clock: Clock;
  readonly compression: GzipCompression;
  readonly valueBytesMax: number;
}

const TOO_LARGE = 413;
const UNSUPPORTED = 415;
const BAD_REQUEST = 400;

/** A request whose body is the value. */
export interface BodyCall extends Waiter {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
}

export async function readValue(call: BodyCall, options: KeysBodyOptions): Promise<Uint8Array> {
  const { request, response, caller } = call;
  const isGzip = isGzipped(request.headers['content-encoding']);
  const { budget, clock, valueBytesMax } = options;
  const announced = announcedBytes(request.headers['content-length']);
  if (announced > valueBytesMax) throw tooLarge(String(announced), valueBytesMax);
  // What is closed already would never give its bytes back.
  if (isOver(response)) throw new WalnutError('cancelled', 'the caller has gone');
  const reservation = budget.reserve(caller);
  response.once('close', reservation.release);
  admit(reservation, announced, request, clock);
  const pieces = new ValuePieces(announced);
  let bytes = 0;
  try {
    await receiveBody(request, (chunk) => {
      bytes += chunk.length;
      if (bytes > valueBytesMax) throw tooLarge(`more than ${valueBytesMax}`, valueBytesMax);
      // Counts what was not announced.
      reservation.grow(Math.min(chunk.length, Math.max(0, bytes - announced)));
      pieces.add(chunk);
    });
  } catch (error) {
    if (error instanceof HttpRefusal || error instanceof WalnutError) throw error;
    throw new WalnutError('cancelled', 'the request body ended early', { cause: error });
  }
  const taken = pieces.take(() => clock.yield());
  const body = taken instanceof Promise ? await taken : taken;
  if (!isGzip) return body;
  const value = await expand(body, call, options);
  reservation.grow(value.length);
  return value;
}

/** A writer that finds no room, and shares its connection with nobody, is not read for as long as it should wait. */
function admit(reservation: BodyReservation, bytes: number, request: HttpRequest, clock: Clock): void {
  try {
    reservation.admit(bytes);
  } catch (error) {
    const seconds = error instanceof WalnutError ? (error.details.retryAfterS ?? 0) : 0;
    const connection = ownConnection(request);
    if (connection !== undefined) restConnection(connection, 1_000 * seconds, clock);
    throw error;
  }
}

/** Nothing where the header is missing, or no number, which would spoil the sums of the budget. */
function announcedBytes(header: string | undefined): number {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : 0;
}

async function expand(
  body: Uint8Array,
  call: BodyCall,
  { compression, valueBytesMax }: KeysBodyOptions,
): Promise<Uint8Array> {
  // Connect takes nothing at all for an empty message.
  if (body.length === 0) throw badGzip();
  try {
    return await compression.expand(body, valueBytesMax, call);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const isLarge = error.code === Code.ResourceExhausted;
    throw isLarge ? tooLarge(`decompressed more than ${valueBytesMax}`, valueBytesMax) : badGzip();
  }
}

function badGzip(): HttpRefusal {
  return new HttpRefusal(
    BAD_REQUEST,
    'invalid_argument',
    'the body is no gzip, although Content-Encoding says so',
  );
}

function tooLarge(bytes: string, bytesMax: number): HttpRefusal {
  const message = `value has ${bytes} bytes: expected at most ${bytesMax} (server.max_value_bytes)`;
  return new HttpRefusal(TOO_LARGE, 'invalid_argument', message);
}

function isGzipped(header: string | undefined): boolean {
  const codings = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((each) => each.trim());
  const [coding, ...more] = codings.filter((each) => each !== '' && each !== 'identity');
  if (coding === undefined) return false;
  if (more.length === 0 && (coding === 'gzip' || coding === 'x-gzip')) return true;
  const shown = JSON.stringify(codings.join(', ').slice(0, 64));
  throw new HttpRefusal(
    UNSUPPORTED,
    'invalid_argument',
    `Content-Encoding is ${shown}: expected gzip, or none`,
    {
      'accept-encoding': 'gzip, identity',
    },
  );
}
