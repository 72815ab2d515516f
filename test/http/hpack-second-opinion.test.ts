/**
 * Header blocks, whole, mutated and made up, before our decoder and nghttp2's:
 * both find a block broken, or neither does; and where both take a request, it
 * has the same fields. WALNUT_FUZZ_BLOCKS, 300 unless set, is how many
 * conversations of three blocks; WALNUT_FUZZ_SEED the first seed.
 */
import * as http2 from 'node:http2';
import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { HpackEncoder } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, ErrorCode, FrameType } from '#http/http2/frame.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { frame, GET, openServer, parseFrames, settings, settingsAck } from './wire.ts';

const CASES = Number(process.env['WALNUT_FUZZ_BLOCKS'] ?? 300);
const SEED = Number(process.env['WALNUT_FUZZ_SEED'] ?? 1);
const NAMES = ['x-a', 'x-b', 'x-c', 'x-longer-name'];

function randomBlock(random: SeededRandom, encoder: HpackEncoder): Buffer {
  if (random.chance(0.03)) encoder.setSize(random.pick([0, 64, 4096]));
  const updates = Buffer.from(encoder.takeUpdates());
  const fields = Array.from({ length: random.below(5) }, () => [
    random.pick(NAMES),
    random.pick(['', '1', 'value', `${random.below(9)}`, 'v'.repeat(random.below(200))]),
  ]).flat();
  let block = Buffer.concat([updates, encoder.encode([...GET, ...fields])]);
  if (random.chance(0.4)) return block;
  if (random.chance(0.3)) block = Buffer.concat([block, random.bytes(1 + random.below(6))]);
  else if (random.chance(0.2)) block = block.subarray(0, random.below(block.length));
  else block[random.below(block.length)] = random.below(256);
  return Buffer.from(block);
}

interface Opinion {
  /** The connection ended with COMPRESSION_ERROR. */
  readonly isBroken: boolean;
  readonly requests: ReadonlyMap<number, string>;
}

const text = (pairs: Iterable<readonly [string, string]>): string =>
  [...pairs]
    .filter(([name]) => name.startsWith('x-'))
    .map((pair) => pair.join('='))
    .sort()
    .join('|');

function ours(chunks: readonly Buffer[]): Opinion {
  const peer = openServer();
  const requests = new Map<number, string>();
  peer.onHeadHook = ({ id }, head) => {
    const names = new Set(head.fields.map(({ name }) => name));
    requests.set(id, text([...names].map((name) => [name, head.get(name) ?? ''])));
  };
  peer.receive(...chunks);
  return { isBroken: peer.failure?.code === ErrorCode.compressionError, requests };
}

function theirs(chunks: readonly Buffer[]): Promise<Opinion> {
  return new Promise((resolve) => {
    const requests = new Map<number, string>();
    const written: Buffer[] = [];
    const settle = (): void => {
      const frames = parseFrames(Buffer.concat(written));
      const goaway = frames.find(({ type }) => type === FrameType.goaway);
      const isPonged = frames.some(({ type, flags }) => type === FrameType.ping && flags === 1);
      if (goaway === undefined && !isPonged) return;
      resolve({ isBroken: goaway?.payload.readUInt32BE(4) === ErrorCode.compressionError, requests });
      setImmediate(() => session.destroy());
    };
    const stream = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _, done) => {
        written.push(Buffer.from(chunk));
        settle();
        done();
      },
    });
    const session = http2.performServerHandshake(stream as never);
    session.on('error', () => {});
    session.on('stream', (each: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
      each.on('error', () => {});
      requests.set(each.id as number, text(Object.entries(headers).map(([n, v]) => [n, String(v)])));
    });
    // Its answer to the ping says that all before it was read.
    const ping = frame(FrameType.ping, 0, 0, Buffer.alloc(8));
    stream.push(Buffer.concat([Buffer.from(CLIENT_PREFACE), settings(), settingsAck(), ...chunks, ping]));
  });
}

it('are judged alike', async () => {
  const counts = { broken: 0, taken: 0 };
  for (let seed = SEED; seed < SEED + CASES; seed++) {
    const random = new SeededRandom(seed);
    const encoder = new HpackEncoder(true);
    const chunks = [1, 3, 5].map((id) => frame(FrameType.headers, 5, id, randomBlock(random, encoder)));
    const mine = ours(chunks);
    const other = await theirs(chunks);
    expect([seed, mine.isBroken]).toEqual([seed, other.isBroken]);
    if (mine.isBroken) counts.broken++;
    for (const [id, fields] of other.requests) {
      if (!mine.requests.has(id)) continue;
      counts.taken++;
      expect([seed, id, mine.requests.get(id)]).toEqual([seed, id, fields]);
    }
  }
  // The cases are of both kinds, or they show nothing.
  expect(counts.broken).toBeGreaterThan(CASES / 10);
  expect(counts.taken).toBeGreaterThan(CASES / 2);
}, 3_600_000);
