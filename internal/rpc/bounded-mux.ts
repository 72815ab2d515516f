/** The port of a server: who may come in by the bound of connections, and what becomes of the others. */
import type { Server, Socket } from 'node:net';
import type { Clock } from '#platform/clock.ts';
import type { ConnectionLimit, ConnectionRefusals } from '#rpc/connection-limit.ts';
import type { ConnectionPlaces, Full } from '#rpc/connection-places.ts';
import type { Connections } from '#rpc/connections.ts';
import { plainAddress } from '#rpc/protected-mode.ts';
import { TELL_MS } from '#rpc/refuse-connection.ts';
import { createSocketMux, FIRST_BYTES_MS, type Readers, type TlsReader } from '#rpc/socket-mux.ts';

export interface BoundedMuxParts extends Readers {
  readonly onTls: TlsReader;
  readonly clock: Clock;
  readonly limit: ConnectionLimit;
  readonly places: ConnectionPlaces;
  /** Asked for when the first connection comes. */
  readonly refusals: () => ConnectionRefusals;
}

/** The server is not listening yet. */
export function createBoundedMux(connections: Connections, parts: BoundedMuxParts): Server {
  const { limit, places, refusals, ...rest } = parts;
  /** Those that are being told why they are refused. */
  const told = new Map<Socket, Full>();
  const leave = (socket: Socket): void => places.leave(plainAddress(socket.remoteAddress));
  const take = (socket: Socket): boolean => {
    // It is known from here on, also when the connection is closed. One that was reset already
    // has none: what it sent would be carried out in the name of nobody.
    const address = plainAddress(socket.remoteAddress);
    if (address === '') {
      socket.destroy();
      return false;
    }
    const full = places.tryTake(address);
    if (full === undefined) {
      connections.addSocket(socket, leave);
      return true;
    }
    refusals().count(full, address);
    if (told.size >= limit.toldMax) {
      socket.destroy();
    } else {
      told.set(socket, full);
      socket.once('close', () => told.delete(socket));
    }
    return false;
  };
  const mux = createSocketMux({
    ...rest,
    connections,
    firstBytesMs: FIRST_BYTES_MS,
    onSocket: take,
    onRefused: (socket, protocol) => refusals().tell(socket, protocol, told.get(socket) ?? 'all'),
    refusedMs: TELL_MS,
  });
  mux.maxConnections = limit.connectionsMax + limit.toldMax;
  mux.on('drop', () => refusals().count('all', ''));
  return mux;
}
