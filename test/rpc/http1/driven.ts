/** The driver of our own HTTP/1.1 on sockets that tests write to by hand, over a listener that does as it is told. */

import { AnswerBudget } from '#rpc/answer-budget.ts';
import { type Connections, createConnections } from '#rpc/connections.ts';
import { type HttpRequest, type HttpResponse, send } from '#rpc/http-io.ts';
import { Http1Driver } from '#rpc/http1/http1-driver.ts';
import type { Listener } from '#rpc/request-listener.ts';
import { Turns } from '#rpc/turns.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { type Call, FakeSocket, ok, recordCall } from '#test/rpc/http2/driven.ts';

export interface Driven {
  readonly clock: VirtualClock;
  readonly budget: AnswerBudget;
  readonly turns: Turns;
  readonly connections: Connections;
  readonly calls: Call[];
  readonly requests: { readonly request: HttpRequest; readonly response: HttpResponse }[];
  /** Sockets that were handed over, with what is read from them since. */
  readonly handedOver: { readonly socket: FakeSocket; rest: string; hasEnded: boolean }[];
  readonly sheds: () => number;
  readonly stalls: () => number;
  /** Requests that took too long to come. */
  readonly late: () => number;
  /** Called when the body of a call has come. */
  onCall: (call: Call) => void;
  onRequest: (request: HttpRequest, response: HttpResponse) => void | Promise<void>;
  open(): DrivenPeer;
}

export interface DrivenPeer {
  readonly socket: FakeSocket;
  send(...texts: (string | Buffer)[]): Promise<void>;
  /** What came since the last time, one octet a character. */
  take(): string;
}

/** Paths: `/call…` for the unary path, `/node…` for Node's server, others as requests. */
export const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
export const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
export const CHUNKED =
  'POST /call HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n';

/** The bodies of answers, in order. */
export const bodiesOf = (text: string): string[] =>
  text
    .split(/HTTP\/1\.1 \d+ /)
    .slice(1)
    .map((answer) => answer.slice(answer.indexOf('\r\n\r\n') + 4));

/** Overwrites the bytes of this read, like the next read of a direct socket. */
function readOver(bytes: Buffer): void {
  bytes.fill(0xee);
}

export function startDriver(answerBytesMax = 256 << 20): Driven {
  const clock = new VirtualClock();
  const connections = createConnections();
  const counts = { stalls: 0, sheds: 0, late: 0 };
  const budget = new AnswerBudget(answerBytesMax, () => counts.sheds++);
  const driven: Driven = {
    clock,
    budget,
    turns: new Turns(clock),
    connections,
    calls: [],
    requests: [],
    handedOver: [],
    sheds: () => counts.sheds,
    stalls: () => counts.stalls,
    late: () => counts.late,
    onCall: ({ exchange, body }) => exchange.answer(ok(`<${body}>`)),
    onRequest: (request, response) => send(request, response, 200, {}, request.url ?? ''),
    open: () => {
      const peer = createPeer(clock);
      connections.addSocket(peer.socket as never);
      driver.accept(peer.socket as never);
      peer.socket.on('data', readOver);
      return peer;
    },
  };
  const driver = new Http1Driver({
    clock,
    turns: driven.turns,
    connections,
    budget,
    requestTimeoutMs: 120_000,
    onStalled: () => counts.stalls++,
    onLate: () => counts.late++,
    handOver: (socket) => {
      socket.off('data', readOver);
      const handed = { socket: socket as never, rest: '', hasEnded: false };
      driven.handedOver.push(handed);
      socket.on('data', (bytes: Buffer) => {
        handed.rest += bytes.toString('latin1');
      });
      socket.on('end', () => {
        handed.hasEnded = true;
      });
    },
    listener: listenerOf(driven),
  });
  return driven;
}

function listenerOf(driven: Driven): Pick<Listener, 'onRequest' | 'planHttp1' | 'replanHttp1' | 'onCall'> {
  return {
    onRequest: (request, response) => {
      driven.requests.push({ request, response });
      return driven.onRequest(request, response);
    },
    planHttp1: (_verb, target, headers) => {
      if (target.startsWith('/node')) return undefined;
      return target.startsWith('/call') ? ({ headers, target } as never) : 'request';
    },
    replanHttp1: (before, headers) => (before === 'request' ? before : { ...before, headers }),
    onCall: (plan, _address, exchange) => {
      const path = (plan as unknown as { readonly target: string }).target;
      recordCall(driven, path, exchange);
      return true;
    },
  };
}

function createPeer(clock: VirtualClock): DrivenPeer {
  const socket = new FakeSocket();
  let taken = 0;
  return {
    socket,
    send: async (...texts) => {
      socket.push(
        Buffer.concat(texts.map((text) => (typeof text === 'string' ? Buffer.from(text, 'latin1') : text))),
      );
      await clock.settle();
      await clock.settle();
    },
    take: () => {
      const text = Buffer.concat(socket.writes.slice(taken)).toString('latin1');
      taken = socket.writes.length;
      return text;
    },
  };
}
