/**
 * The reader of HTTP/1.1 beside Node's parser, on the same octets: valid requests,
 * mutated ones and noise, cut at random. What the reader takes Node must take for
 * the same request; what it hands over is whole, from that request's first octet;
 * what Node takes for something else must have been refused or handed over.
 * WALNUT_FUZZ_REQUESTS, 1,500 unless set, is the connections tried; a failure
 * prints its seed.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { mutate, Pipe, randomRequests } from './random-requests.ts';
import { kindOf, type Read, Reading } from './reading.ts';

const COUNT = Number(process.env['WALNUT_FUZZ_REQUESTS'] ?? 1_500);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);

interface Opinion {
  /** Requests whose body is whole. */
  readonly requests: string[];
  readonly hasFailed: boolean;
}

const asked: { current: ((request: IncomingMessage) => void) | undefined } = { current: undefined };
const server: Server = createServer(
  { requireHostHeader: false, maxHeaderSize: 16_384 },
  (request, response) => {
    asked.current?.(request);
    response.end();
  },
);
const failures = { count: 0 };
server.on('clientError', () => {
  failures.count++;
});
for (const event of ['checkContinue', 'checkExpectation'] as const) {
  server.on(event, (request: IncomingMessage) => asked.current?.(request));
}
server.on('upgrade', (request: IncomingMessage) => asked.current?.(request));
server.on('connect', (request: IncomingMessage) => asked.current?.(request));
afterAll(() => {
  server.close();
});

async function ofNode(bytes: Buffer): Promise<Opinion> {
  const requests: string[] = [];
  const before = failures.count;
  asked.current = (request) => {
    const fields = request.rawHeaders.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    request.on('end', () =>
      requests.push(`${request.method} ${request.url} | ${fields.join(' ')} | ${body}`),
    );
  };
  const pipe = new Pipe();
  pipe.on('error', () => {});
  server.emit('connection', pipe);
  pipe.push(bytes);
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
  pipe.destroy();
  return { requests, hasFailed: failures.count > before };
}

function ofReader(bytes: Buffer, random: SeededRandom): Read {
  const reading = new Reading();
  for (let at = 0; at < bytes.length; ) {
    const to = Math.min(bytes.length, at + 1 + random.below(random.chance(0.5) ? bytes.length : 9));
    if (reading.reader.state === 'whole') reading.reader.next();
    reading.push(bytes.subarray(at, to));
    at = to;
  }
  return reading.finish();
}

describe('a second opinion', () => {
  it('by Node agrees on whatever the reader takes', async () => {
    const kinds = new Map<string, number>();
    for (let i = 0; i < COUNT; i++) {
      const random = new SeededRandom(SEED * 1_000_003 + i);
      let text = randomRequests(random, 1 + random.below(4));
      for (let changes = random.chance(0.6) ? random.below(3) : 0; changes > 0; changes--)
        text = mutate(text, random);
      const bytes = Buffer.from(text, 'latin1');
      const own = ofReader(bytes, random);
      const node = await ofNode(bytes);
      const kind = kindOf(own.state);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      const where = `WALNUT_FUZZ_SEED=${SEED}, connection ${i}: ${JSON.stringify(text)}`;
      // The last may lack octets of its body, of which Node tells nothing.
      const isCut = own.state === 'reading' && own.rest === '';
      const whole = isCut ? own.requests.slice(0, -1) : own.requests;
      expect([where, node.requests.slice(0, whole.length)]).toEqual([where, whole]);
      if (kind === 'handover') expect([where, text.endsWith(own.rest)]).toEqual([where, true]);
      // Node takes no more than the reader where that has seen it all.
      if (kind !== 'whole') continue;
      expect([where, node.requests.length]).toEqual([where, whole.length]);
      if (own.rest === '') expect([where, node.hasFailed]).toEqual([where, false]);
    }
    // Each of them was tried.
    expect([...kinds.keys()].sort()).toEqual(
      expect.arrayContaining(['handover', 'reading', 'refused 400', 'whole']),
    );
  });
});
