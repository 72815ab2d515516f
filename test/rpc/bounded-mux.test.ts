/** Connections as they come in, before anything is read from them. */
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { createBoundedMux } from '#rpc/bounded-mux.ts';
import { limitConnections } from '#rpc/connection-limit.ts';
import { ConnectionPlaces } from '#rpc/connection-places.ts';
import { createConnections } from '#rpc/connections.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

it.each([
  ['with an address', '192.0.2.1', ['served']],
  ['that was reset already, so that its address is not known,', undefined, []],
])(
  'a connection %s: what it sent is carried out only in the name of somebody',
  async (_what, address, served) => {
    const seen: string[] = [];
    const serve = (): void => void seen.push('served');
    const connections = createConnections();
    const mux = createBoundedMux(connections, {
      onHttp1: serve,
      onHttp2: serve,
      onTls: serve,
      clock: new VirtualClock(),
      limit: limitConnections(1_024),
      places: new ConnectionPlaces({ connectionsMax: 10, perAddressMax: 10 }),
      refusals: () => {
        throw new Error('expected no refusal');
      },
    });
    const socket = new Socket();
    Object.defineProperty(socket, 'remoteAddress', { value: address });
    mux.emit('connection', socket);
    socket.emit('data', Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(served);
    expect([socket.destroyed, connections.count()]).toEqual([served.length === 0, served.length]);
    socket.destroy();
  },
);
