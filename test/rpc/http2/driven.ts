/** The driver of our own HTTP/2 on sockets that tests write to by hand, over a listener that does as it is told. */
import { Duplex } from 'node:stream';
import { HeadRole } from '#http/hpack/head.ts';
import { HeadReader } from '#http/hpack/head-reader.ts';
import { type FieldList, prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '#http/http2/frame.ts';
import { AnswerBudget } from '#rpc/answer-budget.ts';
import { type Connections, createConnections } from '#rpc/connections.ts';
import { type HttpRequest, type HttpResponse, send } from '#rpc/http-io.ts';
import { Http2Driver, REQUESTS_MAX } from '#rpc/http2/http2-driver.ts';
import { Turns } from '#rpc/turns.ts';
import type { Answer } from '#rpc/unary/answer.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { describeFrame, frame, parseFrames, type SeenFrame, settings, settingsAck } from '#test/http/wire.ts';

/** What it is given goes nowhere while it is stuck. */
export class FakeSocket extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  readonly writes: Buffer[] = [];
  isStuck = false;
  #release: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: false });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    // The buffer is the driver's again once this calls back.
    this.writes.push(Buffer.from(chunk));
    if (this.isStuck) this.#release = callback;
    else callback();
  }

  unstick(): void {
    this.isStuck = false;
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}

export const PREFACE = Buffer.from(CLIENT_PREFACE);

const POST: FieldList = [':method', 'POST', ':scheme', 'http', ':authority', 'a'];

/** The fields of a HEADERS frame of an answer. */
export function fieldsOf({ payload }: SeenFrame): Record<string, string> {
  const read = new HeadReader(65_536).read(payload, 0, payload.length, HeadRole.response);
  if ('kind' in read) throw new Error(read.why);
  return {
    ':status': String(read.status),
    ...Object.fromEntries(read.fields.map(({ name, value }) => [name, value])),
  };
}

/** A request's HEADERS. Paths: `/call…` for the unary path, others as requests. */
export function head(id: number, path: string, isEnd: boolean, more: FieldList = []): Buffer {
  const flags = Flag.endHeaders | (isEnd ? Flag.endStream : 0);
  return frame(FrameType.headers, flags, id, prepareBlock([...POST, ':path', path, ...more]));
}

export interface Call {
  readonly path: string;
  readonly exchange: Exchange;
  body: string;
  /** Undefined while it has not ended. */
  isWhole: boolean | undefined;
  readonly closed: boolean[];
}

export interface Driven {
  readonly clock: VirtualClock;
  readonly driver: Http2Driver;
  readonly connections: Connections;
  readonly calls: Call[];
  readonly requests: { readonly request: HttpRequest; readonly response: HttpResponse }[];
  readonly limits: string[];
  readonly stalls: () => number;
  /** Requests that took too long to come. */
  readonly late: () => number;
  /** Called when the body of a call has come. */
  onCall: (call: Call) => void;
  onRequest: (request: HttpRequest, response: HttpResponse) => void | Promise<void>;
  open(entries?: readonly (readonly [number, number])[]): Promise<DrivenPeer>;
}

export interface DrivenPeer {
  readonly socket: FakeSocket;
  send(...bytes: Buffer[]): Promise<void>;
  /** What came since the last time, as frames in words. */
  take(): string[];
  takeFrames(): SeenFrame[];
}

export const ok = (body: string | Buffer = 'ok'): Answer => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body: Buffer.from(body),
});

/** Notes a call and what comes of it. One that is cut is answered at once. */
export function recordCall(
  driven: { readonly calls: Call[]; readonly onCall: (call: Call) => void },
  path: string,
  exchange: Exchange,
): void {
  const call: Call = { path, exchange, body: '', isWhole: undefined, closed: [] };
  driven.calls.push(call);
  exchange.onClose((isAnswered) => call.closed.push(isAnswered));
  // Kept until the end, as the unary path keeps them.
  const chunks: Uint8Array[] = [];
  exchange.read({
    onChunk: (chunk) => {
      chunks.push(chunk);
    },
    onEnd: (isWhole) => {
      call.body = Buffer.concat(chunks).toString('latin1');
      call.isWhole = isWhole;
      if (isWhole) driven.onCall(call);
      else exchange.answer(ok('cut'));
    },
  });
}

interface DrivenOptions {
  readonly answerBytesMax?: number;
  readonly onAnswerBytes?: (bytes: number) => void;
  readonly requestsMax?: number;
  readonly bodyTimeoutMs?: number;
}

export function startDriver({
  answerBytesMax = 256 << 20,
  onAnswerBytes,
  requestsMax = REQUESTS_MAX,
  bodyTimeoutMs = 120_000,
}: DrivenOptions = {}): Driven {
  const clock = new VirtualClock();
  const connections = createConnections();
  const limits: string[] = [];
  let [stalls, late] = [0, 0];
  const driven: Omit<Driven, 'driver'> = {
    clock,
    connections,
    calls: [],
    requests: [],
    limits,
    stalls: () => stalls,
    late: () => late,
    onCall: ({ exchange }) => exchange.answer(ok()),
    onRequest: (request, response) => send(request, response, 200, {}, 'ok'),
    open: async (entries = []) => {
      const peer = createPeer(clock);
      connections.addSocket(peer.socket as never);
      driver.accept(peer.socket as never);
      await peer.send(PREFACE, settings(entries), settingsAck());
      peer.take();
      return peer;
    },
  };
  const driver = new Http2Driver({
    clock,
    turns: new Turns(clock),
    connections,
    bodyTimeoutMs,
    requestsMax,
    budget: new AnswerBudget(answerBytesMax, () => limits.push('answers'), onAnswerBytes),
    events: { onStalled: () => stalls++, onLate: () => late++, onLimit: (limit) => limits.push(limit) },
    listener: {
      onRequest: (request, response) => {
        driven.requests.push({ request, response });
        return driven.onRequest(request, response);
      },
      planCall: (headers) =>
        headers[':path']?.startsWith('/call') === true ? ({ headers } as never) : undefined,
      onCall: ({ headers }, _address, exchange) => {
        recordCall(driven, headers[':path'] ?? '', exchange);
        return true;
      },
    },
  });
  return Object.assign(driven, { driver });
}

function createPeer(clock: VirtualClock): DrivenPeer {
  const socket = new FakeSocket();
  let taken = 0;
  const takeFrames = (): SeenFrame[] => {
    const bytes = Buffer.concat(socket.writes.slice(taken));
    taken = socket.writes.length;
    return parseFrames(bytes);
  };
  return {
    socket,
    send: async (...bytes) => {
      socket.push(Buffer.concat(bytes));
      await clock.settle();
      await clock.settle();
    },
    takeFrames,
    take: () => takeFrames().map(describeFrame),
  };
}
