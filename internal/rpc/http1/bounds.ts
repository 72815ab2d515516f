/** Bounds of HTTP/1.1 connections, the same for our own driver and for Node's server. */

/** How long a head may take, from its first byte. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Above the 60 s that load balancers commonly keep idle connections, so that they close first. */
export const KEEP_ALIVE_MS = 75_000;
/** A peer that sends no more, and may still read, is answered for so long. */
export const HALF_CLOSED_MS = 1_000;
/** Requests of one connection begun in one turn of the event loop: about a millisecond of small calls. */
export const REQUESTS_PER_TURN = 64;
/**
 * How long a request may wait for the answer before it, longer than any call
 * may ask to wait. While nothing is read, nobody notices that the peer has gone:
 * behind a stream, the connection of one that has would stay for ever.
 */
export const ANSWER_WAIT_MS = 120_000;
