import type { Transport } from '@connectrpc/connect';

/** A longer answer is refused by the caller, even if `server.max_batch_bytes` of the node allows it. */
export const ANSWER_BYTES_MAX = 256 * 1_024 * 1_024;
/** A longer request is refused by the caller, even if `server.max_batch_bytes` of the node allows it. */
export const REQUEST_BYTES_MAX = 64 * 1_024 * 1_024;

export interface ClosableTransport {
  readonly transport: Transport;
  /** Closes the connections; calls under way fail. */
  close(): void;
}
