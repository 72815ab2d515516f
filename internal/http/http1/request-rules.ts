/** Rules for a request of HTTP/1.1 that several readers must keep. */

/** RFC 9112, 3.2: a client never sends the fragment. */
export const FRAGMENT_IN_TARGET =
  'the target has a fragment (#): expected none, and a # that belongs to a name as %23';

export const UNKNOWN_CODING =
  'Transfer-Encoding names a coding that is not known: expected chunked alone, or Content-Length';

/** RFC 9112, 6.1. `coding`: the values of all Transfer-Encoding fields, with commas between them. */
export function isKnownCoding(coding: string): boolean {
  return coding.toLowerCase() === 'chunked';
}

/** A Content-Length. Fifteen digits are exact in a number, and more than any body has. */
export function isLength(value: string): boolean {
  return /^[0-9]{1,15}$/.test(value);
}

/**
 * Fields whose values belong to one call: clients send heads that differ in nothing else.
 * No value of them changes what the head is, but for the length of the body behind it;
 * routes, callers and rights must not depend on them.
 */
export const CALL_FIELDS: ReadonlySet<string> = new Set([
  'content-length',
  'connect-timeout-ms',
  'grpc-timeout',
  'traceparent',
  'tracestate',
]);
