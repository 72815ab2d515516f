/**
 * Converts numbers of messages: a uint64 field is a bigint in a message and a plain
 * number below 2^53 in the model. A larger one throws `invalid_argument` with its field.
 */
import { isHostPort } from '#model/address.ts';
import { invalidArgument } from '#model/errors.ts';
import { REQUEST_ID_CHARACTERS_MAX } from '#model/limits.ts';

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** The longest wait that a caller may request, in milliseconds. */
export const WAIT_MS_MAX = 60_000;

/** Throws `invalid_argument` above 2^53 - 1. `least`: what the message names as the smallest. */
export function toSafeNumber(value: bigint, field: string, least = 0): number {
  if (value > SAFE_MAX || value < 0n) {
    throw invalidArgument(`${field} is ${value}: expected a whole number from ${least} to ${SAFE_MAX}`);
  }
  return Number(value);
}

/** `toSafeNumber` for a number that may be negative. */
export function toSafeInteger(value: bigint, field: string): number {
  if (value > SAFE_MAX || value < -SAFE_MAX) {
    throw invalidArgument(`${field} is ${value}: expected a whole number from -${SAFE_MAX} to ${SAFE_MAX}`);
  }
  return Number(value);
}

/** Throws `invalid_argument` above `WAIT_MS_MAX`. */
export function checkWaitMs(value: number, field: string): number {
  if (value > WAIT_MS_MAX) {
    throw invalidArgument(`${field} is ${value}: expected at most ${WAIT_MS_MAX} milliseconds`);
  }
  return value;
}

/** Throws `invalid_argument` if `text` has lone surrogates or is longer than `charactersMax`. */
export function checkText(text: string, field: string, charactersMax: number): string {
  if (!text.isWellFormed()) {
    throw invalidArgument(`${field} is ill-formed: expected UTF-8 without lone surrogates`);
  }
  if (text.length > charactersMax) {
    throw invalidArgument(`${field} has ${text.length} characters: expected at most ${charactersMax}`);
  }
  return text;
}

/** Longest reason of another node that is shown, logged or persisted here, in characters. */
const REASON_CHARACTERS_MAX = 1_024;

/** Cuts what another node says for people to read: nothing depends on it, so that too long a text is no error. */
export function cutReason(text: string): string {
  if (text.length <= REASON_CHARACTERS_MAX) return text;
  return `${text.slice(0, REASON_CHARACTERS_MAX - 1).toWellFormed()}…`;
}

/** Undefined if `text` is empty: the write then has no request id. */
export function checkRequestId(text: string): string | undefined {
  return text === '' ? undefined : checkText(text, 'request_id', REQUEST_ID_CHARACTERS_MAX);
}

/** Throws `invalid_argument` unless `text` is `host:port` (IPv6 hosts in brackets) with port 1 .. 65535. */
export function checkAddress(text: string, field: string): string {
  if (!isHostPort(text)) {
    const shown = JSON.stringify(text.slice(0, 80).toWellFormed());
    throw invalidArgument(`${field} is ${shown}: expected host:port, such as "replica-1:8081"`);
  }
  return text;
}
