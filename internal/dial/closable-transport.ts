import type { Transport } from '@connectrpc/connect';

export interface ClosableTransport {
  readonly transport: Transport;
  /** Closes the connections; calls under way fail. */
  close(): void;
}
