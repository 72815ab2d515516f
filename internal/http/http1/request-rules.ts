/** Rules for a request of HTTP/1.1 that our own reader and Node's server must both keep. */

/** RFC 9112, 3.2: a client never sends the fragment. */
export const FRAGMENT_IN_TARGET =
  'the target has a fragment (#): expected none, and a # that belongs to a name as %23';

export const UNKNOWN_CODING =
  'Transfer-Encoding names a coding that is not known: expected chunked alone, or Content-Length';

/** RFC 9112, 6.1. `coding`: the values of all Transfer-Encoding fields, with commas between them. */
export function isKnownCoding(coding: string): boolean {
  return coding.toLowerCase() === 'chunked';
}
