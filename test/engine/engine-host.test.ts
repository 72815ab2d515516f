import { describe, expect, it } from 'vitest';
import { checkFrames } from '#engine/checked-frames.ts';
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { toLsn } from '#model/position.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { asideFilesOf } from '#test/doubles/aside-files.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DIR, LOG_ID, openBareHost, Rig, settled, stateOf, toRecord, watch } from '#test/engine/rig.ts';
import { encodeFrame, type Frame } from '#wal/frame.ts';

const WHY = { reason: 'another history', sinceMs: 1_000, upstream: 'master:1' };

const SEGMENTS = { maxFileBytes: 1_500, retentionBytes: 1 << 20 } as const;

/** What a master wrote: frames, the state after each, and a snapshot of the last. */
interface History {
  readonly frames: readonly Frame[];
  readonly states: ReadonlyMap<number, string>;
  readonly snapshot: Buffer;
  readonly tail: { readonly epoch: number; readonly lsn: number };
}

async function writeHistory(writes: number, tag = 'v'): Promise<History> {
  const rig = await Rig.open({ seed: tag.length });
  const states = new Map<number, string>();
  for (let i = 0; i < writes; i++) {
    await rig.set(`k${i % 9}`, `${tag} ${i}`.padEnd(60, '.'));
    states.set(rig.engine.position.lsn, stateOf(rig.engine));
  }
  await rig.until(rig.host.checkpoint());
  const frames = (await rig.records()).map(({ frame }) => ({
    ...frame,
    bytes: Buffer.from(frame.bytes),
    frameBytes: frame.frameBytes,
    payload: Buffer.from(frame.payload),
  }));
  const snapshot = rig.fileSystem.content(`${DIR}/${rig.host.manifest.snapshot}`);
  return { frames, states, snapshot, tail: rig.engine.position };
}

/** A replica's directory: what it holds now, in one place. */
class ReplicaDisk {
  readonly fileSystem: MemoryFileSystem;
  readonly clock: VirtualClock;
  readonly host: EngineHost;

  private constructor(host: EngineHost, fileSystem: MemoryFileSystem, clock: VirtualClock) {
    this.host = host;
    this.fileSystem = fileSystem;
    this.clock = clock;
  }

  static async open(fileSystem = new MemoryFileSystem()): Promise<ReplicaDisk> {
    const clock = new VirtualClock();
    const host = await openBareHost({ fileSystem, clock, role: 'replica', ...SEGMENTS });
    const disk = new ReplicaDisk(host, fileSystem, clock);
    if (host.manifest.logId !== '') await disk.until(host.open());
    return disk;
  }

  static async holding(frames: readonly Frame[], checkpointAtLsn = 0): Promise<ReplicaDisk> {
    const disk = await ReplicaDisk.open();
    const engine = await disk.until(disk.host.adopt(LOG_ID, 1));
    if (checkpointAtLsn > 0) {
      await disk.append(frames.slice(0, checkpointAtLsn));
      await disk.until(disk.host.checkpoint());
    }
    if (checkpointAtLsn < frames.length) await disk.append(frames.slice(checkpointAtLsn));
    expect(engine.log.tail.lsn).toBe(frames.at(-1)?.lsn ?? 0);
    return disk;
  }

  get engine(): Engine {
    return this.host.engine as Engine;
  }

  /** `fresh`, or the state with the log it belongs to. */
  get state(): string {
    const { logId } = this.host.manifest;
    return logId === '' ? 'fresh' : `${logId} ${stateOf(this.engine)}`;
  }

  append(frames: readonly Frame[]): Promise<void> {
    return this.until(
      new Promise<void>((resolve, reject) => {
        const checked = checkFrames(frames);
        this.engine.appendFrames(checked, (error) => (error === undefined ? resolve() : reject(error)));
      }),
    );
  }

  async putIncoming(bytes: Uint8Array): Promise<void> {
    const file = await this.fileSystem.open(this.host.incomingPath, 'replace');
    await file.write(bytes, 0);
    await file.datasync();
    await file.close();
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return settled(this.clock, promise);
  }
}

/**
 * Runs `change` with the power cut at its first, second, … call until it gets
 * through; what is found afterwards must be the old state or the new one.
 */
async function cutAtEveryCall(
  prepare: () => Promise<ReplicaDisk>,
  change: (disk: ReplicaDisk) => Promise<unknown>,
  states: { readonly old: string; readonly new: string },
): Promise<{ readonly calls: number; readonly last: ReplicaDisk }> {
  const seen = new Set<string>();
  let directorySyncs = 0;
  for (let k = 1; ; k++) {
    const disk = await prepare();
    expect(disk.state).toBe(states.old);
    disk.fileSystem.crashAtCall = disk.fileSystem.callCount + k;
    const syncsBefore = disk.fileSystem.counts.get('syncDirectory') ?? 0;
    const changing = watch(change(disk));
    await disk.clock.advance(100);
    const isDone = !disk.fileSystem.isCrashed;
    if (isDone) expect(changing.error).toBeUndefined();
    let again: ReplicaDisk | undefined;
    // One moment can lead to several disks: what was not synced is there or not.
    const syncs = (disk.fileSystem.counts.get('syncDirectory') ?? 0) - syncsBefore;
    const disks = isDone ? 1 : syncs > directorySyncs ? 16 : 2;
    directorySyncs = syncs;
    for (let seed = k; seed < k + disks * 100; seed += 100) {
      again = await ReplicaDisk.open(disk.fileSystem.crash(seed));
      expect([states.old, states.new], `power cut at call ${k}, seed ${seed}`).toContain(again.state);
      seen.add(again.state);
    }
    if (!isDone || again === undefined) continue;
    expect(again.state).toBe(states.new);
    expect(seen).toEqual(new Set([states.old, states.new]));
    return { calls: k, last: again };
  }
}

describe('adopting a log', () => {
  it('gives a fresh replica an empty engine and remembers log and term', async () => {
    const disk = await ReplicaDisk.open();
    const engines: Engine[] = [];
    disk.host.engines.subscribe((engine) => engines.push(engine));
    expect(disk.host.engine).toBeUndefined();
    const engine = await disk.until(disk.host.adopt(LOG_ID, 7));
    expect(engines).toEqual([engine]);
    expect(disk.host.manifest).toMatchObject({ logId: LOG_ID, term: 7 });
    expect(engine.applied).toEqual({ epoch: 0, lsn: 0, crc: 0 });
  });

  it('is whole or not at all, at every call', async () => {
    await cutAtEveryCall(
      () => ReplicaDisk.open(),
      (disk) => disk.host.adopt(LOG_ID, 1),
      { old: 'fresh', new: `${LOG_ID} 0-0 0 ${'0'.repeat(32)}` },
    );
  });

  it('takes a checkpoint even of nothing', async () => {
    const { frames, states, tail } = await writeHistory(5);
    const disk = await ReplicaDisk.open();
    await disk.until(disk.host.adopt(LOG_ID, 1));
    await disk.until(disk.host.checkpoint());
    for (const frame of frames) await disk.append([frame]);
    await disk.until(disk.host.close());
    const again = await ReplicaDisk.open(disk.fileSystem);
    expect(again.state).toBe(`${LOG_ID} ${states.get(tail.lsn)}`);
  });
});

describe('frames of a master', () => {
  it('give the state of the master, verbatim in the log', async () => {
    const { frames, states, tail } = await writeHistory(30);
    const disk = await ReplicaDisk.holding(frames);
    expect(disk.state).toBe(`${LOG_ID} ${states.get(tail.lsn)}`);
    const read = await disk.until(disk.engine.log.read(1, 1 << 20));
    expect(read.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(
      frames.map(({ bytes }) => Buffer.from(bytes).toString('hex')),
    );
  });

  it('of which one cannot be decoded are not appended at all', async () => {
    const { frames } = await writeHistory(5);
    const disk = await ReplicaDisk.holding(frames.slice(0, 3));
    const bad = encodeFrame(frames[4] as Frame, 1, (target, at) => target.writeUInt8(9, at));
    expect(() => checkFrames([frames[3] as Frame, bad])).toThrow('unknown payload version 9');
    expect(disk.engine.log.tail.lsn).toBe(3);
    await disk.append(frames.slice(3));
    expect(disk.engine.applied.lsn).toBe(frames.length);
  });

  it('that find no room are refused together and can come again', async () => {
    const { frames, states, tail } = await writeHistory(20);
    const disk = await ReplicaDisk.holding(frames.slice(0, 5));
    disk.fileSystem.bytesMax = disk.fileSystem.usedBytes + 10;
    await expect(disk.append(frames.slice(5))).rejects.toMatchObject({
      code: 'resource_exhausted',
      details: { nothingDone: true, isNotYet: true },
    });
    const heldLsn = disk.engine.applied.lsn;
    expect(disk.engine.log.tail.lsn).toBe(heldLsn);
    disk.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    await disk.append(frames.slice(heldLsn));
    expect(disk.state).toBe(`${LOG_ID} ${states.get(tail.lsn)}`);
  });
});

describe('installing a snapshot', () => {
  it('replaces an older log, at every call: what was is there, or what came', async () => {
    const { frames, states, snapshot, tail } = await writeHistory(30);
    const { calls, last } = await cutAtEveryCall(
      async () => {
        const disk = await ReplicaDisk.holding(frames.slice(0, 12), 6);
        await disk.putIncoming(snapshot);
        return disk;
      },
      (disk) => disk.host.installSnapshot(LOG_ID),
      { old: `${LOG_ID} ${states.get(12)}`, new: `${LOG_ID} ${states.get(tail.lsn)}` },
    );
    expect(calls).toBeGreaterThan(8);
    const aside = await asideFilesOf(last.host.directory);
    expect(aside.some(({ name }) => name.endsWith('.wal'))).toBe(true);
    expect(aside.some(({ name }) => name.endsWith('.snapshot'))).toBe(true);
  });

  it('of another, shorter history leaves nothing of the longer one, at every call', async () => {
    const ours = await writeHistory(20);
    const theirs = await writeHistory(6, 'other');
    expect(theirs.tail.epoch).not.toBe(ours.tail.epoch);
    const { last } = await cutAtEveryCall(
      async () => {
        const disk = await ReplicaDisk.holding(ours.frames);
        await disk.putIncoming(theirs.snapshot);
        return disk;
      },
      (disk) => disk.host.installSnapshot(LOG_ID),
      {
        old: `${LOG_ID} ${ours.states.get(ours.tail.lsn)}`,
        new: `${LOG_ID} ${theirs.states.get(theirs.tail.lsn)}`,
      },
    );
    expect(last.engine.epochs.starts()).toHaveLength(1);
    expect(last.engine.log.tail).toMatchObject(theirs.tail);
  });

  it('goes on from its position', async () => {
    const { frames, snapshot, tail } = await writeHistory(10);
    const longer = await writeHistory(25);
    expect(longer.frames.slice(0, frames.length).map(({ crc }) => crc)).toEqual(frames.map(({ crc }) => crc));
    const disk = await ReplicaDisk.holding(frames.slice(0, 4));
    const before = disk.engine;
    await disk.putIncoming(snapshot);
    const waiting = watch(before.waitApplied(toLsn(1_000), 60_000_000));
    const engine = await disk.until(disk.host.installSnapshot(LOG_ID));
    expect(disk.host.engine).toBe(engine);
    expect(engine).not.toBe(before);
    // Whoever waited at the old one is not left waiting.
    expect(waiting.value).toBe(false);
    await disk.append(longer.frames.slice(tail.lsn));
    await disk.until(disk.host.close());
    const again = await ReplicaDisk.open(disk.fileSystem);
    expect(again.state).toBe(`${LOG_ID} ${longer.states.get(longer.tail.lsn)}`);
  });

  it('on a fresh replica brings the log id with it, at every call', async () => {
    const { states, snapshot, tail } = await writeHistory(8);
    await cutAtEveryCall(
      async () => {
        const disk = await ReplicaDisk.open();
        await disk.putIncoming(snapshot);
        return disk;
      },
      (disk) => disk.host.installSnapshot(LOG_ID),
      { old: 'fresh', new: `${LOG_ID} ${states.get(tail.lsn)}` },
    );
  });

  it('is given up when the node stops, and changes nothing', async () => {
    const { frames, states, snapshot } = await writeHistory(10);
    const disk = await ReplicaDisk.holding(frames.slice(0, 4));
    await disk.putIncoming(snapshot);
    const stopping = disk.host.installSnapshot(LOG_ID, AbortSignal.abort());
    await expect(disk.until(stopping)).rejects.toMatchObject({ code: 'cancelled' });
    expect(disk.state).toBe(`${LOG_ID} ${states.get(4)}`);
  });

  it('that is damaged, or of another log, changes nothing', async () => {
    const { frames, snapshot } = await writeHistory(10);
    const disk = await ReplicaDisk.holding(frames.slice(0, 4));
    const { engine, state } = disk;
    const damaged = Buffer.from(snapshot);
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1;
    for (const [bytes, logId] of [
      [damaged, LOG_ID],
      [snapshot.subarray(0, -7), LOG_ID],
      [Buffer.alloc(0), LOG_ID],
      [snapshot, 'f'.repeat(32)],
    ] as const) {
      await disk.putIncoming(bytes);
      await expect(disk.until(disk.host.installSnapshot(logId))).rejects.toBeInstanceOf(SnapshotError);
      expect(disk.host.engine).toBe(engine);
      expect(disk.state).toBe(state);
    }
    await disk.append(frames.slice(4, 6));
    expect(disk.engine.applied.lsn).toBe(6);
  });
});

describe('cutting the tail', () => {
  it('leaves the state at the cut, at every call: with all of the tail or none of it', async () => {
    const { frames, states } = await writeHistory(30);
    for (const commonLsn of [8, 14]) {
      const checkpointAtLsn = commonLsn >= 14 ? 14 : 0;
      const empty = `${frames[0]?.epoch}-1 0 ${'0'.repeat(32)}`;
      const { last } = await cutAtEveryCall(
        () => ReplicaDisk.holding(frames.slice(0, 20), checkpointAtLsn),
        (disk) => disk.host.cutTo({ epoch: frames[0]?.epoch as number, lsn: toLsn(commonLsn) }, WHY),
        { old: `${LOG_ID} ${states.get(20)}`, new: `${LOG_ID} ${states.get(commonLsn) ?? empty}` },
      );
      expect((await asideFilesOf(last.host.directory)).length).toBeGreaterThan(0);
      await last.append(frames.slice(commonLsn));
      expect(last.engine.applied.lsn).toBe(frames.length);
      expect(last.engine.store.stateDigest()).toBe(states.get(frames.length)?.split(' ')[2]);
    }
  });

  it('also takes what is still on its way to disk', async () => {
    const { frames, states } = await writeHistory(10);
    const disk = await ReplicaDisk.holding(frames.slice(0, 6));
    disk.engine.appendFrames(checkFrames(frames.slice(6)));
    const engine = await disk.until(
      disk.host.cutTo({ epoch: frames[0]?.epoch as number, lsn: toLsn(8) }, WHY),
    );
    expect(engine).toBe(disk.engine);
    expect(disk.state).toBe(`${LOG_ID} ${states.get(8)}`);
  });

  it('behind a record that is damaged is not possible and changes nothing', async () => {
    const { frames, states } = await writeHistory(30);
    const disk = await ReplicaDisk.holding(frames);
    const { engine } = disk;
    const [first] = disk.fileSystem.paths(DIR).filter((path) => path.endsWith('.wal'));
    const bytes = disk.fileSystem.content(first ?? '');
    bytes.fill(0xee, 200);
    disk.fileSystem.put(first ?? '', bytes);
    expect(
      await disk.until(disk.host.cutTo({ epoch: frames[0]?.epoch as number, lsn: toLsn(4) }, WHY)),
    ).toBeUndefined();
    expect(disk.host.engine).toBe(engine);
    expect(disk.state).toBe(`${LOG_ID} ${states.get(frames.length)}`);
  });

  it('below the base snapshot is not possible and changes nothing', async () => {
    const { frames, states } = await writeHistory(20);
    const disk = await ReplicaDisk.holding(frames, 14);
    const { engine } = disk;
    expect(
      await disk.until(disk.host.cutTo({ epoch: frames[0]?.epoch as number, lsn: toLsn(13) }, WHY)),
    ).toBeUndefined();
    expect(disk.host.engine).toBe(engine);
    expect(disk.state).toBe(`${LOG_ID} ${states.get(frames.length)}`);
    expect(await asideFilesOf(disk.host.directory)).toEqual([]);
  });
});

describe('discarding everything', () => {
  it('makes the replica fresh, at every call, and keeps the files aside', async () => {
    const { frames, states, tail } = await writeHistory(20);
    const { last } = await cutAtEveryCall(
      () => ReplicaDisk.holding(frames, 9),
      (disk) => disk.host.discard(WHY),
      { old: `${LOG_ID} ${states.get(tail.lsn)}`, new: 'fresh' },
    );
    const aside = await asideFilesOf(last.host.directory);
    expect(aside.filter(({ name }) => name.endsWith('.snapshot'))).toHaveLength(1);
    expect(aside.filter(({ name }) => name.endsWith('.wal')).length).toBeGreaterThan(1);
    expect(last.host.manifest).toMatchObject({ term: 0, snapshot: '' });
    // The same log again, from the beginning.
    await last.until(last.host.adopt(LOG_ID, 1));
    await last.append(frames);
    expect(last.state).toBe(`${LOG_ID} ${states.get(tail.lsn)}`);
  });
});

describe('the term', () => {
  it('never falls, even if two callers raise it at the same time, and outlives the process', async () => {
    const disk = await ReplicaDisk.open();
    await Promise.all([5, 9, 4, 8].map((term) => disk.host.raiseTerm(term)));
    expect(disk.host.manifest.term).toBe(9);
    await Promise.all([disk.host.raiseTerm(12), disk.host.adopt(LOG_ID, 3)]);
    expect(disk.host.manifest).toMatchObject({ term: 12, logId: LOG_ID });
    const again = await ReplicaDisk.open(disk.fileSystem.crash(3));
    expect(again.host.manifest.term).toBe(12);
  });
});

describe('records of a history', () => {
  it('are one frame each, decodable by themselves', async () => {
    const { frames } = await writeHistory(3);
    expect(frames.map((frame) => toRecord(frame).type)).toEqual([2, 1, 1, 1]);
  });
});
