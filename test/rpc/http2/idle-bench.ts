/**
 * What an idle HTTP/2 connection costs this process above a bare socket, in bytes of the
 * heap: `node bin/launch.cjs test/rpc/http2/idle-bench.ts`. Each connection has made one
 * call. The peers are another process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNodeClock } from '#platform/node-clock.ts';
import { createBoundedMux } from '#rpc/bounded-mux.ts';
import { limitConnections } from '#rpc/connection-limit.ts';
import { createConnections } from '#rpc/connections.ts';
import { AnswerBudget } from '#rpc/http2/answer-budget.ts';
import { Http2Driver } from '#rpc/http2/http2-driver.ts';
import { settings, settingsAck } from '#test/http/wire.ts';
import { head, ok, PREFACE } from '#test/rpc/http2/driven.ts';

const CONNECTIONS = 2_000;
/** What is compiled and made for the first connections is not theirs. */
const WARM = 100;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const nothing = (): void => {};

function createBare(): Server {
  return createServer({ noDelay: true, keepAlive: true }, (socket) => {
    socket.on('data', nothing);
    socket.on('error', nothing);
  });
}

function createDriven(): Server {
  const clock = createNodeClock();
  const connections = createConnections(Number.POSITIVE_INFINITY);
  const driver = new Http2Driver({
    clock,
    connections,
    bodyTimeoutMs: 120_000,
    budget: new AnswerBudget(1 << 28, nothing),
    events: { onStalled: nothing, onLimit: nothing },
    listener: {
      onRequest: nothing,
      planCall: (headers) => ({ headers }) as never,
      onCall: (_plan, _address, exchange) => {
        exchange.read({ onChunk: nothing, onEnd: () => exchange.answer(ok()) });
        return true;
      },
    },
  });
  return createBoundedMux(connections, {
    clock,
    limit: limitConnections(100_000),
    refusals: () => {
      throw new Error('a connection was refused: expected room for all');
    },
    onHttp1: (socket) => socket.destroy(),
    onHttp2: (socket) => driver.accept(socket),
  });
}

/** In a process of its own: opens connections, makes a call on each, and keeps them. */
function beClients(port: number, count: number): void {
  const bytes = Buffer.concat([PREFACE, settings([]), settingsAck(), head(1, '/call', true)]);
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (sockets.push(socket) === count) setTimeout(() => process.send?.('open'), 1_000);
    });
    socket.on('data', nothing);
  }
}

function open(port: number, count: number): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [String(port), String(count)]);
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

async function measure(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const warm = await open(port, WARM);
  const before = heapBytes();
  const clients = await open(port, CONNECTIONS);
  const perConnection = (heapBytes() - before) / CONNECTIONS;
  for (const child of [warm, clients]) child.kill();
  server.close();
  return perConnection;
}

const [port, count] = process.argv.slice(2).map(Number);
if (port !== undefined && count !== undefined) beClients(port, count);
else {
  const bare = await measure(createBare());
  const driven = await measure(createDriven());
  const text = `${bare.toFixed(0)} bytes a bare socket, ${(driven - bare).toFixed(0)} more an HTTP/2 connection\n`;
  process.stdout.write(text);
  process.exit(0);
}
