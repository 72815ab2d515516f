/** Connections that are read into a shared buffer, over real sockets: nothing is lost, doubled, or read over. */
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { directSocketOf, isDirect, makeDirect } from '#rpc/direct-socket.ts';
import { passSocket } from '#rpc/pass-socket.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { until } from '#test/server/running.ts';

const opened: { close?(): void; destroy?(): void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.destroy?.();
});

type Take = (bytes: Buffer) => void;

interface Pair {
  readonly server: Server;
  readonly client: Socket;
  readonly socket: Socket & { readTo(take: Take | undefined): void };
}

async function openTcp(): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer((accepted) => resolve(directSocketOf(accepted)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  return pairOf(server, client, await promise);
}

/** The gate of TLS, too, has a direct socket under its own. */
async function openTls(): Promise<Pair> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const tls = createTlsServer(new Authority().issue(), (socket) => {
    makeDirect(socket);
    resolve(socket);
  });
  const server = createServer((accepted) => void tls.emit('connection', directSocketOf(accepted)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const client = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  client.setNoDelay(true);
  return pairOf(server, client, await promise);
}

function pairOf(server: Server, client: Socket, socket: Socket): Pair {
  opened.push(client, socket);
  if (!isDirect(socket)) throw new Error('expected a direct socket');
  const readTo = socket.readTo.bind(socket);
  const byTake = { readTo: (take?: Take) => readTo(take && { onBytes: take }) };
  return { server, client, socket: Object.assign(socket as Socket, byTake) };
}

/** Resolves when `text()` is as long as `expected`, however long the system takes to bring it. */
async function expectText(text: () => string, expected: string): Promise<void> {
  await until(() => text().length >= expected.length);
  expect(text()).toBe(expected);
}

describe.each([
  ['TCP', openTcp],
  ['TLS', openTls],
])('a direct socket of %s', (_name, open) => {
  it('is a stream until it is read directly, and again afterwards', async () => {
    const { client, socket } = await open();
    const [streamed, taken] = [[] as Buffer[], [] as string[]];
    socket.on('data', (bytes: Buffer) => streamed.push(bytes));
    client.write('one');
    await expectText(() => Buffer.concat(streamed).toString(), 'one');
    socket.readTo((bytes) => taken.push(bytes.toString()));
    client.write('two');
    await expectText(() => taken.join(''), 'two');
    socket.readTo(undefined);
    client.write('three');
    // The bytes of the stream are its own: the reads since then have not changed them.
    await expectText(() => Buffer.concat(streamed).toString(), 'onethree');
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
    await expectText(() => all, 'ab');
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
    await expectText(() => all, 'x');
    client.end('y');
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(all).toBe('x');
    socket.resume();
    await expectText(() => all, 'xy');
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

  it('gives what came with the bytes that made it pause only when it is resumed, in order', async () => {
    const { client, socket } = await open();
    const sent = Buffer.from(Array.from({ length: 50_000 }, (_, i) => i % 251));
    const got: Buffer[] = [];
    let isResting = false;
    const take = (bytes: Buffer): void => {
      expect(isResting).toBe(false);
      got.push(Buffer.from(bytes));
      isResting = true;
      socket.pause();
      setImmediate(() => {
        isResting = false;
        socket.resume();
      });
    };
    socket.on('data', take);
    socket.readTo(take);
    client.write(sent);
    const all = (): string => Buffer.concat(got).toString('latin1');
    await expectText(all, sent.toString('latin1'));
  });
});

it('a socket that has no handle of its own stays what it is', () => {
  const socket = new Socket();
  expect(directSocketOf(socket)).toBe(socket);
  expect(isDirect(socket)).toBe(false);
});
