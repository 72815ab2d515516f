/** Connections that are read into a shared buffer, over real sockets: nothing is lost, doubled, or read over. */
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { DirectSocket, directSocketOf } from '#rpc/direct-socket.ts';
import { passSocket } from '#rpc/pass-socket.ts';

const opened: { close?(): void; destroy?(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy?.();
});

interface Pair {
  readonly server: Server;
  readonly client: Socket;
  readonly socket: DirectSocket;
}

async function open(): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((accepted) => resolve(directSocketOf(accepted)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  const socket = (await promise) as DirectSocket;
  opened.push(client, socket);
  return { server, client, socket };
}

/** Resolves when `text()` is as long as `expected`. */
async function until(text: () => string, expected: string): Promise<void> {
  for (let turn = 0; turn < 10_000 && text().length < expected.length; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  expect(text()).toBe(expected);
}

describe('a direct socket', () => {
  it('is a stream until it is read directly, and again afterwards', async () => {
    const { client, socket } = await open();
    expect(socket).toBeInstanceOf(DirectSocket);
    const [streamed, taken] = [[] as Buffer[], [] as string[]];
    socket.on('data', (bytes: Buffer) => streamed.push(bytes));
    client.write('one');
    await until(() => Buffer.concat(streamed).toString(), 'one');
    socket.readTo((bytes) => taken.push(bytes.toString()));
    client.write('two');
    await until(() => taken.join(''), 'two');
    socket.readTo(undefined);
    client.write('three');
    // The bytes of the stream are its own: the reads since then have not changed them.
    await until(() => Buffer.concat(streamed).toString(), 'onethree');
  });

  it('gives what was put back by the stream, before what is read', async () => {
    const { client, socket } = await open();
    let all = '';
    const take = (bytes: Buffer): void => {
      all += bytes.toString();
    };
    client.write('b');
    passSocket(socket, Buffer.from('a'), () => {
      socket.on('data', take);
      socket.readTo(take);
    });
    await until(() => all, 'ab');
  });

  it('reads nothing while it is paused, and tells its end', async () => {
    const { client, socket } = await open();
    let all = '';
    socket.on('data', () => {});
    socket.readTo((bytes) => {
      all += bytes.toString();
      socket.pause();
    });
    const ended = new Promise<void>((resolve) => socket.once('end', resolve));
    client.write('x');
    await until(() => all, 'x');
    client.end('y');
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(all).toBe('x');
    socket.resume();
    await until(() => all, 'xy');
    socket.resume();
    await ended;
  });

  it('is counted by its server until it closes', async () => {
    const { server, client, socket } = await open();
    const count = (): Promise<number> =>
      new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
    expect(await count()).toBe(1);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    client.on('error', () => {});
    socket.destroy();
    await closed;
    expect(await count()).toBe(0);
  });

  it('is the socket that came in, where that has no handle of its own', () => {
    const socket = new Socket();
    expect(directSocketOf(socket)).toBe(socket);
  });
});
