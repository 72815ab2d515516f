/**
 * What an idle connection of each HTTP costs this process above a bare socket, in bytes
 * of the heap: `node bin/launch.cjs test/rpc/idle-bench.ts`. Each connection has made one
 * call. The peers are another process.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createNodeClock } from '#platform/node-clock.ts';
import { AnswerBudget } from '#rpc/answer-budget.ts';
import { createBoundedMux } from '#rpc/bounded-mux.ts';
import { limitConnections } from '#rpc/connection-limit.ts';
import { ConnectionPlaces } from '#rpc/connection-places.ts';
import { createConnections } from '#rpc/connections.ts';
import { Http1Driver } from '#rpc/http1/http1-driver.ts';
import { Http2Driver } from '#rpc/http2/http2-driver.ts';
import { Turns } from '#rpc/turns.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';
import { settings, settingsAck } from '#test/http/wire.ts';
import { get } from '#test/rpc/http1/driven.ts';
import { head, ok, PREFACE } from '#test/rpc/http2/driven.ts';

const CONNECTIONS = 2_000;
/** What is compiled and made for the first connections is not theirs. */
const WARM = 100;
const AT_ONCE = 16;
/** Servers look after idle connections every second. */
const REST_MS = 2_500;

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
  const connections = createConnections();
  const common = { clock, connections, budget: new AnswerBudget(1 << 28, nothing), turns: new Turns(clock) };
  const listener = {
    onRequest: nothing,
    planCall: (headers: object) => ({ headers }) as never,
    planHttp1: (_verb: string, _target: string, headers: object) => ({ headers }) as never,
    replanHttp1: (_before: unknown, headers: object) => ({ headers }) as never,
    onCall: (_plan: unknown, _peer: unknown, exchange: Exchange) => {
      exchange.read({ onChunk: nothing, onEnd: () => exchange.answer(ok()) });
      return true;
    },
  };
  const events = { onStalled: nothing, onLate: nothing, onLimit: nothing };
  const http2 = new Http2Driver({ ...common, listener, events, bodyTimeoutMs: 120_000 });
  const http1 = new Http1Driver({
    ...common,
    listener,
    requestTimeoutMs: 120_000,
    onStalled: nothing,
    onLate: nothing,
    handOver: (socket) => socket.destroy(),
  });
  return createBoundedMux(connections, {
    clock,
    limit: limitConnections(100_000),
    places: new ConnectionPlaces(limitConnections(100_000)),
    refusals: () => {
      throw new Error('a connection was refused: expected room for all');
    },
    onHttp1: (socket) => http1.accept(socket),
    onHttp2: (socket) => http2.accept(socket),
    onTls: (socket) => socket.destroy(),
  });
}

const CALLS = {
  1: Buffer.from(get('/call')),
  2: Buffer.concat([PREFACE, settings([]), settingsAck(), head(1, '/call', true)]),
} as const;
type Http = keyof typeof CALLS;

/** In a process of its own: opens connections, a few at a time, makes a call on each, and keeps them. */
function beClients(port: number, count: number, http: Http | undefined): void {
  let [begun, open] = [0, 0];
  const begin = (): void => {
    if (begun++ >= count) return;
    const socket = connect(port, '127.0.0.1', () => socket.write(CALLS[http ?? 1]));
    // The bare server answers nothing.
    socket.once(http === undefined ? 'connect' : 'data', () => {
      if (++open === count) setTimeout(() => process.send?.('open'), REST_MS);
      begin();
    });
    socket.on('data', nothing);
  };
  for (let i = 0; i < AT_ONCE; i++) begin();
}

function open(port: number, count: number, http: Http | undefined): Promise<ChildProcess> {
  const child = fork(import.meta.filename, [port, count, http ?? ''].map(String));
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

async function measure(server: Server, http?: Http): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const warm = await open(port, WARM, http);
  const before = heapBytes();
  const clients = await open(port, CONNECTIONS, http);
  const perConnection = (heapBytes() - before) / CONNECTIONS;
  for (const child of [warm, clients]) child.kill();
  server.close();
  return perConnection;
}

const [port, count, http] = process.argv.slice(2).map(Number);
if (port !== undefined && count !== undefined)
  beClients(port, count, http === 0 ? undefined : (http as Http));
else {
  const bare = await measure(createBare());
  process.stdout.write(`${bare.toFixed(0)} bytes a bare socket\n`);
  for (const each of [1, 2] as const) {
    const more = (await measure(createDriven(), each)) - bare;
    process.stdout.write(`${more.toFixed(0)} more an HTTP/${each} connection\n`);
  }
  process.exit(0);
}
