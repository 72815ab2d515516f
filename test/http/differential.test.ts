/**
 * Random traffic between our codec and nghttp2, in both roles: bodies, trailers,
 * resets, settings and table sizes. The same must come out as went in, and
 * neither may find fault with the other. WALNUT_FUZZ_CALLS, 400 unless set, is
 * the calls of each role and seed; a failure prints its seed.
 */
import { createHash } from 'node:crypto';
import * as http2 from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import type { Head } from '#http/hpack/head.ts';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import type { Stream } from '#http/http2/stream.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { NodePeer } from './node-peer.ts';
import { Peer } from './wire.ts';

const CALLS = Number(process.env['WALNUT_FUZZ_CALLS'] ?? 400);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);
const AT_ONCE = 16;
/** A call takes half a millisecond of processor time, and a million of them must not fail on a busy machine. */
vi.setConfig({ testTimeout: Math.max(600_000, 10 * CALLS) });

interface Call {
  readonly fields: [string, string][];
  readonly body: Buffer;
  readonly trailers: [string, string][];
  readonly status: number;
  /** Reset by the client after its head. */
  readonly isCancelled: boolean;
}

function randomFields(random: SeededRandom, most: number): [string, string][] {
  return Array.from({ length: random.below(most) }, (_, i) => {
    const value = random.pick([
      () => `${random.below(5)}`,
      () => 'v'.repeat(random.below(200)),
      () => Buffer.from(random.bytes(20)).toString('base64'),
      () => 'a;b="c, d" %20\u00e9',
    ])();
    return [`x-${random.below(30)}-${i}`, value];
  });
}

function randomCall(random: SeededRandom): Call {
  const length = random.chance(0.1) ? random.below(200_000) : random.below(300);
  return {
    fields: randomFields(random, 6),
    body: Buffer.from(random.bytes(length)),
    trailers: random.chance(0.3) ? [['x-trailer', `${random.below(9)}`], ...randomFields(random, 3)] : [],
    status: random.pick([200, 200, 404, 500, 299]),
    isCancelled: random.chance(0.05),
  };
}

function randomSettings(random: SeededRandom): http2.Settings {
  return {
    headerTableSize: random.pick([0, 60, 4096, 65_536]),
    initialWindowSize: random.pick([1000, 65_535, 1_000_000]),
    maxFrameSize: random.pick([16_384, 100_000]),
  };
}

const digest = (body: Buffer): string => createHash('sha1').update(body).digest('hex').slice(0, 12);

/** What either side saw of a call, as one line. */
function line(
  fields: readonly (readonly [string, string])[],
  body: Buffer,
  trailers: readonly (readonly [string, string])[],
): string {
  const list = (pairs: readonly (readonly [string, string])[]) =>
    pairs
      .map(([n, v]) => `${n}=${v}`)
      .sort()
      .join('|');
  return `${list(fields)} ${body.length} ${digest(body)} ${list(trailers)}`;
}

const own = (headers: http2.IncomingHttpHeaders): [string, string][] =>
  Object.entries(headers)
    .filter(([name]) => name.startsWith('x-'))
    .map(([name, value]) => [name, String(value)]);
const ownOf = (head: Head): [string, string][] =>
  head.fields.filter(({ name }) => name.startsWith('x-')).map(({ name, value }) => [name, value]);

/** Runs `count` calls, AT_ONCE at a time. */
async function inLanes(count: number, run: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

const collect = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** Echoes each request: its own fields in the head, its body, and its trailers. */
class EchoServer extends Peer {
  readonly bodies = new Map<Stream, { head: Head; chunks: Buffer[] }>();
  override onHead(stream: Stream, head: Head, isEnd: boolean): void {
    this.bodies.set(stream, { head, chunks: [] });
    if (isEnd) this.#reply(stream, []);
  }
  override onData(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.bodies.get(stream)?.chunks.push(Buffer.from(bytes.subarray(from, to)));
    this.connection.creditData(stream, to - from);
    if (isEnd) this.#reply(stream, []);
  }
  override onTrailers(stream: Stream, trailers: Head): void {
    this.#reply(stream, ownOf(trailers));
  }
  override onReset(stream: Stream): void {
    this.bodies.delete(stream);
    this.connection.release(stream);
  }
  #reply(stream: Stream, trailers: [string, string][]): void {
    const { head, chunks } = this.bodies.get(stream) as { head: Head; chunks: Buffer[] };
    this.bodies.delete(stream);
    const status = head.get('status') ?? '200';
    this.connection.sendHead(stream, prepareBlock([':status', status, ...ownOf(head).flat()]), false);
    this.connection.sendData(stream, Buffer.concat(chunks), trailers.length === 0);
    if (trailers.length > 0) this.connection.sendTrailers(stream, trailers.flat());
  }
}

describe.each([SEED, SEED + 1])('seed %i', (seed) => {
  it('our server and nghttp2 as its client agree', async () => {
    const random = new SeededRandom(seed);
    const server = new EchoServer({ streamWindowBytes: random.pick([5000, 65_535, 300_000]) });
    const peer = new NodePeer(() => server.connection);
    const session = peer.connect(randomSettings(random));
    const errors: string[] = [];
    session.on('error', (error) => errors.push(String(error)));
    session.on('goaway', (code) => errors.push(`goaway ${code}`));
    peer.flush();
    await inLanes(CALLS, async (n) => {
      const call = randomCall(random);
      if (n % 50 === 49) session.settings(randomSettings(random));
      const request = session.request(
        { ':method': 'POST', ':path': '/', status: String(call.status), ...Object.fromEntries(call.fields) },
        { waitForTrailers: call.trailers.length > 0, endStream: false },
      );
      request.on('wantTrailers', () => request.sendTrailers(Object.fromEntries(call.trailers)));
      if (call.isCancelled) {
        request.on('error', () => {});
        await new Promise((resolve) => request.on('close', resolve).close(http2.constants.NGHTTP2_CANCEL));
        return;
      }
      const heads: http2.IncomingHttpHeaders[] = [];
      request
        .on('response', (headers) => heads.push(headers))
        .on('trailers', (headers) => heads.push(headers));
      request.end(call.body);
      const body = await collect(request);
      expect(line(own(heads[0] ?? {}), body, own(heads[1] ?? {}))).toBe(
        line(call.fields, call.body, call.trailers),
      );
      expect(heads[0]?.[':status']).toBe(call.status);
    });
    session.destroy();
    expect([errors, server.failure, server.bodies.size]).toEqual([[], undefined, 0]);
    const { window, unannounced, uncredited, held } = server.connection.holdings;
    expect([window + unannounced + uncredited, held]).toEqual([1024 * 1024, 0]);
  });

  it('our client and nghttp2 as its server agree', async () => {
    const random = new SeededRandom(seed);
    const client = new Peer({ side: 'client', streamWindowBytes: random.pick([5000, 65_535, 300_000]) });
    const peer = new NodePeer(() => client.connection);
    const done = new Map<Stream, (seen: string | number) => void>();
    const answers = new Map<Stream, { head?: Head; chunks: Buffer[] }>();
    const finish = (stream: Stream, trailers: [string, string][]): void => {
      const { head, chunks } = answers.get(stream) as { head: Head; chunks: Buffer[] };
      done.get(stream)?.(line(ownOf(head), Buffer.concat(chunks), trailers));
    };
    client.onHead = (stream, head, isEnd) => {
      if (head.status < 200) return;
      (answers.get(stream) as { head?: Head }).head = head;
      if (isEnd) finish(stream, []);
    };
    client.onData = (stream, bytes, from, to, isEnd) => {
      answers.get(stream)?.chunks.push(Buffer.from(bytes.subarray(from, to)));
      client.connection.creditData(stream, to - from);
      peer.flush();
      if (isEnd) finish(stream, []);
    };
    client.onTrailers = (stream, trailers) => finish(stream, ownOf(trailers));
    client.onReset = (stream, code) => done.get(stream)?.(code);
    const errors: string[] = [];
    const session = peer.serve((stream, headers) => {
      stream.on('error', () => {});
      let trailers: [string, string][] = [];
      stream.on('trailers', (fields: http2.IncomingHttpHeaders) => {
        trailers = own(fields);
      });
      if (random.chance(0.2) && !stream.destroyed) stream.additionalHeaders({ ':status': 103, link: '<a>' });
      collect(stream).then(
        (body) => {
          if (stream.destroyed) return;
          stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(trailers)));
          stream.respond(
            { ':status': 200, ...Object.fromEntries(own(headers)) },
            { waitForTrailers: trailers.length > 0 },
          );
          stream.end(body);
        },
        () => {},
      );
    }, randomSettings(random));
    session.on('error', (error) => errors.push(String(error)));
    session.on('goaway', (code: number) => errors.push(`goaway ${code}`));
    await inLanes(CALLS, async (n) => {
      const call = randomCall(random);
      if (n % 50 === 49) session.settings(randomSettings(random));
      const head = [
        ':method',
        'POST',
        ':scheme',
        'http',
        ':path',
        '/',
        ':authority',
        'a',
        ...call.fields.flat(),
      ];
      const stream = client.connection.openStream(head, false) as Stream;
      answers.set(stream, { chunks: [] });
      const seen = new Promise<string | number>((resolve) => done.set(stream, resolve));
      client.connection.sendData(stream, call.body, call.trailers.length === 0 && !call.isCancelled);
      if (call.isCancelled) client.connection.resetStream(stream, 8);
      else if (call.trailers.length > 0) client.connection.sendTrailers(stream, call.trailers.flat());
      peer.flush();
      expect(await seen).toBe(call.isCancelled ? 8 : line(call.fields, call.body, call.trailers));
      done.delete(stream);
      answers.delete(stream);
    });
    session.destroy();
    expect([errors, client.failure]).toEqual([[], undefined]);
    const { window, unannounced, uncredited, streams } = client.connection.holdings;
    expect([window + unannounced + uncredited, streams]).toEqual([1024 * 1024, 0]);
  });
});
