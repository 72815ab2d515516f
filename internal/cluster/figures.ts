/** The times by which nodes and coordinators judge each other, milliseconds. ADR 17 says why each is safe. */

/** How long a master may take writes on the answers it had: `cluster.lease`. */
export const LEASE_MS = 1_500;
/** How long a new leader waits before its first write, since clocks run at different rates. */
export const FIRST_WRITE_WAIT_MS = 1.1 * LEASE_MS;
/** Clocks that part by more than this between two checks show that the machine was suspended. */
export const PAUSE_MS = 100;
/** The pace of heartbeats, answered or not. */
export const HEARTBEAT_MS = 300;

/** A master is silent, and a coordinator new, for this long before it is judged. */
export const SILENCE_MS = 1_500;
/** An ack of a push within this time speaks for the master. */
export const ACK_RECENT_MS = 1_000;
/** How long a master may say that it takes no writes. */
export const NO_WRITES_MS = 1_500;
/** How long a master may say that too few voters ack it. */
export const FEW_ACKS_MS = 3_000;
