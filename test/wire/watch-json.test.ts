/** Watch in JSON: the text of `toJsonString`, in short pieces, and each event encoded once. */
import { toJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { WatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Lsn } from '#model/position.ts';
import type { WatchEvent, WatchMessage } from '#model/watch.ts';
import { SLICE_BYTES } from '#platform/slices.ts';
import { fromWatchMessage } from '#wire/watch-codec.ts';
import { type JsonFrame, watchJsonPieces } from '#wire/watch-json.ts';

const AT = { epoch: 1, lsn: 12 as Lsn };
const LARGE = Buffer.alloc(5 * SLICE_BYTES + 1, 'walnut');

function eventOf(value: Uint8Array, changes: Partial<WatchEvent> = {}): WatchEvent {
  const times = { expireAtMs: 2_000, timestampMs: 1_000 };
  const flags = { previous: undefined, isPreviousUnknown: false, isInitial: false };
  return { op: 'set', cause: 'client', key: 'k"\n', value, version: AT, ...times, ...flags, ...changes };
}

function messageOf(events: WatchEvent[], changes: Partial<WatchMessage> = {}): WatchMessage {
  const flags = { canResume: true, isFragment: false, isInitialDone: false, wallShiftMs: 0 };
  return { events, position: AT, ...flags, ...changes };
}

/** Notes whose slices it lets go on, each in a microtask. */
class NotedPace {
  readonly works = new Set<object>();
  pauses = 0;

  async pause(work?: object): Promise<void> {
    this.pauses++;
    if (work !== undefined) this.works.add(work);
  }
}

async function piecesOf(message: WatchMessage, pace = new NotedPace()): Promise<Uint8Array[]> {
  const after = Buffer.from('\n\n');
  const frame: JsonFrame = (jsonBytes) => ({ before: Buffer.from(`${jsonBytes}: `), after });
  return await Array.fromAsync(watchJsonPieces(message, frame, pace));
}

function wholeOf(message: WatchMessage): string {
  const json = toJsonString(WatchResponseSchema, fromWatchMessage(message));
  return `${Buffer.byteLength(json)}: ${json}\n\n`;
}

const previous = { key: 'k"\n', value: LARGE, version: AT, expireAtMs: 0 };
const MESSAGES: [string, WatchMessage][] = [
  ['a mark', messageOf([])],
  ['the end of initial events', messageOf([], { isInitialDone: true })],
  ['one event', messageOf([eventOf(Buffer.from('v'))])],
  ['several events', messageOf([eventOf(Buffer.from('v')), eventOf(Buffer.alloc(0), { op: 'delete' })])],
  ['a part of a record', messageOf([eventOf(Buffer.from('v'))], { isFragment: true, canResume: false })],
  ['moved times', messageOf([eventOf(Buffer.from('v'))], { wallShiftMs: 77 })],
  ['a large value', messageOf([eventOf(LARGE)])],
  ['a large value before', messageOf([eventOf(LARGE, { previous })], { wallShiftMs: -5 })],
  ['several large values', messageOf([eventOf(LARGE), eventOf(LARGE)])],
];

describe('a message of Watch in JSON', () => {
  it.each(MESSAGES)('is the text of toJsonString: %s', async (_, message) => {
    const pieces = await piecesOf(message);
    expect(Buffer.concat(pieces).equals(Buffer.from(wholeOf(message)))).toBe(true);
  });

  it('comes as one piece where it is short, and in short pieces, each paced, where it is long', async () => {
    const pace = new NotedPace();
    expect(
      await piecesOf(messageOf([eventOf(Buffer.from('v')), eventOf(Buffer.from('w'))]), pace),
    ).toHaveLength(1);
    expect(pace.pauses).toBe(0);
    const event = eventOf(LARGE);
    await piecesOf(messageOf([event]));
    const pieces = await piecesOf(messageOf([event]), pace);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(SLICE_BYTES);
    expect(pace.pauses).toBe(pieces.length);
  });

  it('encodes an event once for all watchers, also for those that come while it is under way', async () => {
    const pace = new NotedPace();
    const event = eventOf(LARGE);
    const all = Array.from({ length: 20 }, () => piecesOf(messageOf([event]), pace));
    const texts = (await Promise.all(all)).map((pieces) => Buffer.concat(pieces));
    expect(pace.works.size).toBe(1);
    expect(texts.every((text) => text.equals(Buffer.from(wholeOf(messageOf([event])))))).toBe(true);
  });

  it('encodes an event again where its times have moved', async () => {
    const event = eventOf(Buffer.from('v'));
    for (const wallShiftMs of [0, 77, 0]) {
      const message = messageOf([event], { wallShiftMs });
      expect(Buffer.concat(await piecesOf(message)).toString()).toBe(wholeOf(message));
    }
  });
});
