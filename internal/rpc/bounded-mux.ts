/** The port of a server: who may come in by the bound of connections, and what becomes of the others. */
import type { Server } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { ConnectionLimit, ConnectionRefusals } from '#rpc/connection-limit.ts';
import type { Connections } from '#rpc/connections.ts';
import { TELL_MS } from '#rpc/refuse-connection.ts';
import { createSocketMux, FIRST_BYTES_MS, type Readers, type TlsReader } from '#rpc/socket-mux.ts';

export interface BoundedMuxParts extends Readers {
  readonly onTls: TlsReader;
  readonly clock: Clock;
  readonly limit: ConnectionLimit;
  /** Asked for when the first connection comes. */
  readonly refusals: () => ConnectionRefusals;
}

/** The server is not listening yet. */
export function createBoundedMux(connections: Connections, parts: BoundedMuxParts): Server {
  const { limit, refusals, ...rest } = parts;
  const mux = createSocketMux({
    ...rest,
    firstBytesMs: FIRST_BYTES_MS,
    onSocket: (socket) => {
      const isTaken = connections.addSocket(socket);
      if (!isTaken) refusals().count();
      return isTaken;
    },
    onRefused: (socket, protocol) => refusals().tell(socket, protocol),
    refusedMs: TELL_MS,
  });
  mux.maxConnections = limit.connectionsMax + limit.toldMax;
  mux.on('drop', () => refusals().count());
  return mux;
}
