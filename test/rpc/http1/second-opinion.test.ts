/**
 * The driver of HTTP/1.1, with Node's server behind it, beside Node's server alone: the
 * same requests must come to the listener, with the same headers and bodies, in the same
 * order, and each must be answered. Only what could be read in two ways may be refused
 * where Node takes it. WALNUT_FUZZ_CONNECTIONS, 250 unless set, is the connections
 * tried; a failure prints its seed.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { AnswerBudget } from '#rpc/answer-budget.ts';
import { createConnections } from '#rpc/connections.ts';
import { type HttpRequest, type HttpResponse, receiveBody, send } from '#rpc/http-io.ts';
import { createHttp1 } from '#rpc/http-servers.ts';
import { Http1Driver } from '#rpc/http1/http1-driver.ts';
import type { Listener } from '#rpc/request-listener.ts';
import { Turns } from '#rpc/turns.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mutate, Pipe, randomRequests } from '#test/http/http1/random-requests.ts';
import { ok } from '#test/rpc/http2/driven.ts';

const COUNT = Number(process.env['WALNUT_FUZZ_CONNECTIONS'] ?? 250);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);

interface Seen {
  readonly requests: string[];
  readonly statuses: number[];
  readonly isHandedOver: boolean;
  readonly text: string;
}

const clock = new VirtualClock();
const seen: { current: string[]; isHandedOver: boolean } = { current: [], isHandedOver: false };

function note(verb: string, target: string, headers: object, body: string): void {
  seen.current.push(`${verb} ${target} | ${JSON.stringify(headers)} | ${body}`);
}

async function onRequest(request: HttpRequest, response: HttpResponse): Promise<void> {
  let body = '';
  const isWhole = await receiveBody(request, (chunk) => {
    body += Buffer.from(chunk).toString('latin1');
  }).then(
    () => true,
    () => false,
  );
  if (!isWhole) return;
  note(request.method ?? '', request.url ?? '', request.headers, body);
  // Some answers take a turn.
  if (body.length % 2 === 1) await clock.yield();
  send(request, response, 200, {}, 'answered');
}

const listener: Pick<Listener, 'onRequest' | 'planHttp1' | 'replanHttp1' | 'onCall'> = {
  onRequest,
  planHttp1: (verb, target, headers) => {
    if (target.startsWith('/walnut')) return { verb, target, headers } as never;
    return target.startsWith('/v1') ? 'request' : undefined;
  },
  replanHttp1: (before, headers) => (before === 'request' ? before : { ...before, headers }),
  onCall: (plan, _address, exchange) => {
    const { verb, target, headers } = plan as never as { verb: string; target: string; headers: object };
    let body = '';
    exchange.read({
      onChunk: (chunk) => {
        body += Buffer.from(chunk).toString('latin1');
      },
      onEnd: (isWhole) => {
        if (isWhole) note(verb, target, headers, body);
        const answer = (): void => exchange.answer(ok(isWhole ? 'answered' : 'cut'));
        if (body.length % 2 === 1) setImmediate(answer);
        else answer();
      },
    });
    return true;
  },
};

const node = createHttp1(listener, clock, { onStalled: () => {}, onLate: () => {} });
const driver = new Http1Driver({
  clock,
  listener,
  connections: createConnections(),
  budget: new AnswerBudget(1 << 28, () => {}),
  turns: new Turns(clock),
  requestTimeoutMs: 120_000,
  onStalled: () => {},
  onLate: () => {},
  handOver: (socket) => {
    seen.isHandedOver = true;
    node.emit('connection', socket);
  },
});
afterAll(() => {
  node.close();
});

/** `pieces`: of what the peer sends. */
async function serve(accept: (pipe: Pipe) => void, pieces: readonly Buffer[]): Promise<Seen> {
  seen.current = [];
  seen.isHandedOver = false;
  const pipe = new Pipe();
  pipe.on('error', () => {});
  accept(pipe);
  for (const piece of pieces) {
    pipe.push(piece);
    if (piece.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  for (let quiet = 0, before = -1; quiet < 8; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = seen.current.length + pipe.writes.length;
    quiet = now === before ? quiet + 1 : 0;
    before = now;
  }
  const text = Buffer.concat(pipe.writes).toString('latin1');
  pipe.destroy();
  await clock.settle();
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { requests: seen.current, statuses, isHandedOver: seen.isHandedOver, text };
}

function cut(bytes: Buffer, random: SeededRandom): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + 1 + random.below(random.chance(0.5) ? bytes.length : 40));
    pieces.push(bytes.subarray(at, to));
    at = to;
  }
  return pieces;
}

describe('the driver and Node', () => {
  it('serve the same requests, in the same order', async () => {
    const counts = { handedOver: 0, refused: 0, whole: 0 };
    for (let i = 0; i < COUNT; i++) {
      const random = new SeededRandom(SEED * 1_000_003 + i);
      let text = randomRequests(random, 1 + random.below(4));
      for (let changes = random.chance(0.5) ? random.below(3) : 0; changes > 0; changes--)
        text = mutate(text, random);
      const pieces = cut(Buffer.from(text, 'latin1'), random);
      const own = await serve((pipe) => driver.accept(pipe as never), pieces);
      const alone = await serve((pipe) => node.emit('connection', pipe), pieces);
      const where = `WALNUT_FUZZ_SEED=${SEED}, connection ${i}: ${JSON.stringify(text)}`;
      const isRefused = own.statuses.at(-1) === 400 && !own.isHandedOver;
      const expected = isRefused ? alone.requests.slice(0, own.requests.length) : alone.requests;
      expect([where, own.requests]).toEqual([where, expected]);
      if (isRefused) counts.refused++;
      else {
        // Node refuses some heads before they are whole, for which the driver still waits.
        const isEarly = !own.isHandedOver && alone.statuses.length === own.statuses.length + 1;
        const early = alone.statuses.at(-1) === 501 ? 501 : 400;
        const expectedStatuses = isEarly ? [...own.statuses, early] : own.statuses;
        expect([where, alone.statuses]).toEqual([where, expectedStatuses]);
        counts[own.isHandedOver ? 'handedOver' : 'whole']++;
      }
    }
    // Each of them was tried.
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(0);
    expect(clock.pendingTimers).toBeLessThan(3);
  });
});
