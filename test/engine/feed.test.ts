/** The feed by itself, over a log of plain frames; the feeds of running nodes are in test/node/feeds.test.ts. */
import { describe, expect, it } from 'vitest';
import { Feed, FeedGap, type FeedLog, type FeedReach } from '#engine/feed/feed.ts';
import type { Lsn } from '#model/position.ts';
import { bytesOf, chainOf, pointOf } from '#test/replication/chain.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';
import type { FrameRun } from '#wal/frame-run.ts';
import { WalReadError } from '#wal/wal-errors.ts';

const lsn = (value: number): Lsn => value as Lsn;
const BYTES = 1 << 20;

/** A log whose reads are counted, and the feed over it. */
class Source {
  readonly frames: Frame[] = [];
  committedLsn = 0;
  durable = 0;
  appliedLsn = lsn(0);
  earliest = 1;
  damaged = 0;
  logReads = 0;
  syncs = 0;
  readonly feed: Feed;
  readonly log: FeedLog;

  constructor() {
    const source = this;
    this.log = {
      get durableLsn() {
        return lsn(source.durable);
      },
      get earliestLsn() {
        return lsn(source.earliest);
      },
      read: async (from, bytesMax, upto) => {
        this.logReads++;
        if (this.damaged >= from) {
          const place = { file: 'f', byte: 0, lsn: this.damaged, why: 'damaged' };
          throw new WalReadError('corrupt', 'damaged', place);
        }
        const wanted = this.frames.filter((frame) => frame.lsn >= from && frame.lsn <= upto);
        let bytes = 0;
        return wanted.filter((frame, index) => {
          bytes += frame.frameBytes;
          return index === 0 || bytes <= bytesMax;
        });
      },
      lookup: async (at) => {
        const found = this.frames.find((frame) => frame.lsn === at);
        return found === undefined ? undefined : pointOf(found);
      },
      requestSync: () => {
        this.syncs++;
      },
    };
    this.feed = new Feed(this);
  }

  get applied() {
    return pointOf(this.frames[this.appliedLsn - 1]);
  }

  /** Commits so many records, and applies them unless `isLate`. */
  commit(count: number, isLate = false): void {
    const options = { firstLsn: this.frames.length + 1, prevCrc: this.frames.at(-1)?.crc ?? 0 };
    const sizes = Array.from({ length: count }, () => 100);
    for (const frame of chainOf(sizes, options)) {
      this.frames.push(frame);
      this.feed.add(frame);
    }
    if (!isLate) this.appliedLsn = lsn(this.frames.length);
    this.feed.added();
  }

  sync(): void {
    this.durable = this.frames.length;
    this.feed.advance();
  }

  apply(through: number): void {
    this.appliedLsn = lsn(through);
    this.feed.advance();
  }

  async lsns(after: number, reach: FeedReach = 'durable', bytesMax = BYTES): Promise<number[] | 'gap'> {
    const run = await this.feed.read(lsn(after), bytesMax, reach);
    return run instanceof FeedGap ? 'gap' : decodeFrames(run?.bytes ?? new Uint8Array(0)).map((f) => f.lsn);
  }
}

describe('a feed', () => {
  it('gives what is in memory at once, and what is older from the log, as the same bytes', async () => {
    const source = new Source();
    source.commit(3);
    source.feed.subscribe({ reach: 'durable', bytesMax: BYTES });
    source.commit(4);
    source.sync();
    const recent = source.feed.read(lsn(3), BYTES) as FrameRun;
    expect(recent.last).toEqual(pointOf(source.frames[6]));
    expect(Buffer.compare(recent.bytes, bytesOf(source.frames.slice(3)))).toBe(0);
    expect(source.logReads).toBe(0);
    const old = (await source.feed.read(lsn(1), BYTES)) as FrameRun;
    expect(Buffer.compare(old.bytes, bytesOf(source.frames.slice(1)))).toBe(0);
    expect(source.logReads).toBe(1);
    expect([source.feed.isRecent(lsn(2)), source.feed.isRecent(lsn(3))]).toEqual([false, true]);
  });

  it('gives only what is durable, whatever is in memory', async () => {
    const source = new Source();
    source.feed.subscribe({ reach: 'durable', bytesMax: BYTES });
    source.commit(2);
    source.sync();
    source.commit(3);
    expect(await source.lsns(0)).toEqual([1, 2]);
    expect(source.feed.read(lsn(2), BYTES)).toBeUndefined();
    expect(source.feed.lastLsn('applied')).toBe(2);
    source.sync();
    expect(await source.lsns(2)).toEqual([3, 4, 5]);
  });

  it('gives one with the reach `applied` nothing that is committed and not applied, from memory or the log', async () => {
    for (const bytesMax of [BYTES, 0]) {
      const source = new Source();
      source.feed.subscribe({ reach: 'durable', bytesMax });
      const told: Record<FeedReach, number[]> = { durable: [], applied: [] };
      for (const reach of ['durable', 'applied'] as const)
        source.feed.subscribe({ reach, bytesMax: 0, onMore: (at) => told[reach].push(at) });
      source.commit(5, true);
      source.sync();
      expect([await source.lsns(0, 'durable'), await source.lsns(0, 'applied')]).toEqual([
        [1, 2, 3, 4, 5],
        [],
      ]);
      source.apply(2);
      expect(await source.lsns(0, 'applied')).toEqual([1, 2]);
      source.apply(5);
      expect(await source.lsns(2, 'applied')).toEqual([3, 4, 5]);
      expect(told).toEqual({ durable: [5], applied: [2, 5] });
    }
  });

  it('calls an applied reader when the record is durable, where it was applied before', () => {
    const source = new Source();
    const told: number[] = [];
    source.feed.subscribe({ reach: 'applied', bytesMax: 0, onMore: (at) => told.push(at) });
    source.commit(2);
    expect(told).toEqual([]);
    source.sync();
    source.sync();
    expect(told).toEqual([2]);
  });

  it('has any number of subscriptions, each with its own end', async () => {
    const source = new Source();
    const told: string[] = [];
    const subscribe = (name: string, bytesMax: number) =>
      source.feed.subscribe({ reach: 'durable', bytesMax, onMore: (at) => told.push(`${name} ${at}`) });
    const ends = [subscribe('a', 0), subscribe('b', 64 << 10), subscribe('c', BYTES)];
    expect(source.feed.bytesMax).toBe(BYTES);
    source.commit(1);
    source.sync();
    ends[1]?.();
    ends[1]?.();
    source.commit(1);
    source.sync();
    expect(told).toEqual(['a 1', 'b 1', 'c 1', 'a 2', 'c 2']);
    ends[2]?.();
    expect(source.feed.bytesMax).toBe(0);
    // Its memory is given up: the same records come from the log.
    expect(await source.lsns(0)).toEqual([1, 2]);
    expect(source.logReads).toBe(1);
    const end = subscribe('d', BYTES);
    source.commit(1);
    source.sync();
    expect(await source.lsns(2)).toEqual([3]);
    expect(source.logReads).toBe(1);
    end();
  });

  it('has what is logged synced soon while somebody waits for more, and only then', () => {
    const source = new Source();
    source.feed.subscribe({ reach: 'durable', bytesMax: BYTES });
    source.commit(1);
    expect(source.syncs).toBe(0);
    const end = source.feed.subscribe({ reach: 'durable', bytesMax: 0, onMore: () => undefined });
    expect(source.syncs).toBe(1);
    source.commit(1);
    expect(source.syncs).toBe(2);
    end();
    source.commit(1);
    expect(source.syncs).toBe(2);
  });

  it('leaves the fdatasync to a reader that is patient, unless another is not', () => {
    const source = new Source();
    const reader = { reach: 'durable', bytesMax: 0, onMore: () => undefined } as const;
    let isPatient = true;
    source.feed.subscribe({ ...reader, isPatient: () => isPatient });
    source.syncs = 0;
    source.commit(1);
    expect(source.syncs).toBe(0);
    const end = source.feed.subscribe({ ...reader });
    source.syncs = 0;
    source.commit(1);
    expect(source.syncs).toBe(1);
    end();
    isPatient = false;
    source.commit(1);
    expect(source.syncs).toBe(2);
  });

  it('says where records are gone, and remembers the damage that is why', async () => {
    const source = new Source();
    source.commit(6);
    source.sync();
    source.earliest = 4;
    expect(await source.lsns(1)).toBe('gap');
    expect(await source.lsns(3)).toEqual([4, 5, 6]);
    expect(source.feed.damagedLsn).toBeUndefined();
    source.damaged = 5;
    expect(await source.feed.read(lsn(3), BYTES)).toEqual(new FeedGap(lsn(5)));
    source.damaged = 4;
    expect(await source.feed.read(lsn(3), BYTES)).toEqual(new FeedGap(lsn(4)));
    expect(source.feed.damagedLsn).toBe(5);
  });

  it('gives from memory what a checkpoint has deleted from the disk', async () => {
    const source = new Source();
    source.feed.subscribe({ reach: 'durable', bytesMax: BYTES });
    source.commit(6);
    source.sync();
    source.earliest = 7;
    expect(source.feed.earliestLsn).toBe(1);
    expect(await source.lsns(2)).toEqual([3, 4, 5, 6]);
    expect(source.logReads).toBe(0);
  });
});
