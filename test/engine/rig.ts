/**
 * A data directory with an engine and a master on it, without a node around
 * them: memory disk, virtual clock, no expiry loop, no network. What tests of
 * the one write path share.
 */
import type { Engine } from '#engine/engine.ts';
import { EngineHost } from '#engine/engine-host.ts';
import { decodeMutations } from '#engine/records/data-record.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import { Master } from '#master/master.ts';
import type {
  DeleteCommand,
  Expiry,
  IncrementAnswer,
  IncrementCommand,
  SetCommand,
  TouchCommand,
  WriteAnswer,
} from '#model/commands.ts';
import type { Mutation, StoreLimits } from '#model/entry.ts';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import type { Position } from '#model/position.ts';
import { makeEpoch } from '#model/position.ts';
import type { Role } from '#model/status.ts';
import type { WriteId } from '#model/write-id.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { silentLogger } from '#platform/logger.ts';
import { AckLedger } from '#replication/ack-ledger.ts';
import { needsConfigV2 } from '#storage/logged-config.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Frame } from '#wal/frame.ts';
import type { Manifest } from '#wal/manifest.ts';
import { openDirectory } from '#wal/wal-directory.ts';

export const DIR = '/data';
export const LOG_ID = '00112233445566778899aabbccddeeff';

export interface RigOptions {
  readonly fileSystem: MemoryFileSystem;
  readonly clock: VirtualClock;
  readonly fsync: FsyncPolicy;
  readonly limits: StoreLimits;
  readonly defaultTtlMs: number;
  readonly snapshotEveryBytes: number;
  readonly maxFileBytes: number;
  readonly retentionBytes: number;
  readonly seed: number;
}

export const UNLIMITED: StoreLimits = { entriesMax: 0, bytesMax: 0, policy: 'lru' };

/** Opens (and initialises) the directory of a node, without recovering its log. */
export async function openBareHost(
  options: Partial<Omit<RigOptions, 'fileSystem'>> & {
    readonly fileSystem?: FileSystem;
    readonly role?: Role;
    readonly applyDelayMs?: number;
  } = {},
): Promise<EngineHost> {
  const fileSystem = options.fileSystem ?? new MemoryFileSystem();
  const directory = await openDirectory({ fileSystem, path: DIR, logger: silentLogger });
  try {
    if (directory.manifest === undefined) await directory.commit(manifestFor(options.role ?? 'master'));
    await directory.sweepAside();
  } catch (error) {
    await directory.close();
    throw error;
  }
  const host = new EngineHost(
    directory,
    {
      fileSystem,
      clock: options.clock ?? new VirtualClock(),
      random: new SeededRandom(options.seed ?? 1),
      logger: silentLogger,
      fsync: options.fsync ?? 'always',
      syncIntervalMs: 1_000,
      requestedSyncGapMs: 10,
      maxFileBytes: options.maxFileBytes ?? 1 << 20,
      retentionBytes: options.retentionBytes ?? 1 << 20,
      snapshotEveryBytes: options.snapshotEveryBytes ?? 1 << 30,
      applyDelayMs: options.applyDelayMs,
    },
    () => undefined,
  );
  return host;
}

function manifestFor(role: Role): Manifest {
  return {
    format: 1,
    logId: role === 'master' ? LOG_ID : '',
    nodeId: 'ffeeddccbbaa99887766554433221100',
    role,
    upstream: '',
    term: role === 'master' ? 1 : 0,
    snapshot: '',
    lowestSegment: 1,
    replicas: { added: [], removed: [] },
    quarantine: null,
  };
}

export class Rig {
  readonly fileSystem: MemoryFileSystem;
  readonly clock: VirtualClock;
  readonly host: EngineHost;
  readonly acks: AckLedger;
  readonly master: Master;
  readonly failures: Error[] = [];

  constructor(
    host: EngineHost,
    options: Partial<RigOptions>,
    clock: VirtualClock,
    fileSystem: MemoryFileSystem,
  ) {
    this.fileSystem = fileSystem;
    this.clock = clock;
    this.host = host;
    this.acks = new AckLedger(clock);
    const { engine } = this;
    engine.failed.subscribe((error) => this.failures.push(error));
    this.master = new Master({
      random: new SeededRandom(options.seed ?? 1),
      engine,
      clock,
      acks: this.acks,
      defaultTtlMs: options.defaultTtlMs ?? 0,
      whyUnknown: () => undefined,
    });
  }

  /**
   * Recovers the directory and begins an epoch and limits as a master's start does;
   * but no epoch after a clean stop, so that states can be compared over a restart.
   */
  static async open(options: Partial<RigOptions> = {}): Promise<Rig> {
    const fileSystem = options.fileSystem ?? new MemoryFileSystem();
    const clock = options.clock ?? new VirtualClock();
    const seed = options.seed ?? 1;
    const host = await openBareHost({ ...options, fileSystem, clock });
    const engine = await settled(clock, host.open()).catch(async (error: unknown) => {
      await host.close();
      throw error;
    });
    const rig = new Rig(host, options, clock, fileSystem);
    const random = new SeededRandom(seed * 7_919 + engine.log.tail.lsn);
    if (engine.log.tail.lsn === 0 || !host.wasClean) {
      await rig.logged((done) => engine.submitEpoch(makeEpoch(1, random.uint32()), done));
    }
    const limits = options.limits ?? UNLIMITED;
    if (JSON.stringify(limits) !== JSON.stringify(engine.store.limits)) {
      if (needsConfigV2({ limits, wallOffsetMs: 0 })) await rig.until(engine.formats.take());
      await rig.logged((done) => engine.submitLimits(limits, done));
    }
    await rig.until(engine.waitDurable(engine.applied.lsn, 30_000));
    return rig;
  }

  get engine(): Engine {
    const { engine } = this.host;
    if (engine === undefined) throw new Error('no engine is open');
    return engine;
  }

  logged(submit: (done: (error?: Error) => void) => unknown): Promise<void> {
    return this.until(
      new Promise<void>((resolve, reject) => {
        submit((error) => (error === undefined ? resolve() : reject(error)));
      }),
    );
  }

  /** Lets everything run that needs no time. */
  settle(): Promise<void> {
    return this.clock.settle();
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return settled(this.clock, promise);
  }

  set(key: string, value: string | Uint8Array, changes: Partial<SetCommand> = {}): Promise<WriteAnswer> {
    return this.until(this.master.set(setOf(key, value, changes)));
  }

  delete(key: string, changes: Partial<DeleteCommand> = {}): Promise<WriteAnswer> {
    return this.until(this.master.delete(deleteOf(key, changes)));
  }

  increment(key: string, changes: Partial<IncrementCommand> = {}): Promise<IncrementAnswer> {
    return this.until(this.master.increment(incrementOf(key, changes)));
  }

  /** What a reader is answered now; a hit touches. */
  get(key: string): string | undefined {
    const entry = this.engine.store.get(key, this.engine.logClock.nowMs());
    return entry === undefined ? undefined : Buffer.from(entry.value).toString();
  }

  /** Every record in the log, decoded. */
  async records(): Promise<LoggedRecord[]> {
    const { engine } = this;
    const records: LoggedRecord[] = [];
    while (true) {
      const from = Math.max(records.at(-1)?.position.lsn ?? 0, engine.log.earliestLsn - 1) + 1;
      const frames = await engine.log.read(from, 1 << 20);
      if (frames.length === 0) return records;
      records.push(...frames.map(toRecord));
    }
  }

  async close(): Promise<MemoryFileSystem> {
    await this.until(this.host.close());
    return this.fileSystem;
  }

  /** The process dies. Its disk goes on; nothing of it may run any more. */
  kill(): MemoryFileSystem {
    const disk = this.fileSystem.kill();
    this.host.close().catch(() => undefined);
    return disk;
  }

  powerCut(seed: number): MemoryFileSystem {
    const disk = this.fileSystem.crash(seed);
    this.host.close().catch(() => undefined);
    return disk;
  }
}

export interface LoggedRecord {
  readonly position: Position;
  readonly timestampMs: number;
  readonly type: Frame['type'];
  /** Empty on control records. */
  readonly mutations: readonly Mutation[];
  readonly frame: Frame;
}

export function toRecord(frame: Frame): LoggedRecord {
  return {
    position: { epoch: frame.epoch, lsn: frame.lsn },
    timestampMs: frame.timestampMs,
    type: frame.type,
    mutations: frame.type === RECORD_TYPE.data ? decodeMutations(frame.payload) : [],
    frame,
  };
}

/** Lets virtual time pass in small steps until the promise settles. */
export async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const done = promise.finally(() => {
    isSettled = true;
  });
  done.catch(() => undefined);
  await clock.settle();
  for (let i = 0; i < 6_000 && !isSettled; i++) await clock.advance(10);
  if (!isSettled) throw new Error('nothing settled within a minute of virtual time');
  return done;
}

/** What became of a promise so far, without waiting. */
export function watch<T>(promise: Promise<T>): { value?: T; error?: unknown; readonly promise: Promise<T> } {
  const watched: { value?: T; error?: unknown; readonly promise: Promise<T> } = { promise };
  promise.then(
    (value) => {
      watched.value = value;
    },
    (error: unknown) => {
      watched.error = error;
    },
  );
  return watched;
}

const OPTIONS = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };

export function setOf(
  key: string,
  value: string | Uint8Array,
  changes: Partial<SetCommand> = {},
): SetCommand {
  return { key, value: Buffer.from(value), expiry: { kind: 'default' }, ...OPTIONS, ...changes };
}

export function deleteOf(key: string, changes: Partial<DeleteCommand> = {}): DeleteCommand {
  return { key, ...OPTIONS, ...changes };
}

export function incrementOf(key: string, changes: Partial<IncrementCommand> = {}): IncrementCommand {
  return { key, delta: 1n, initial: 0n, expiry: { kind: 'default' }, ...OPTIONS, ...changes };
}

/** Formats of level 1 must be ready: `engine.formats.take()`. */
export function touchOf(key: string, expiry: Expiry, changes: Partial<TouchCommand> = {}): TouchCommand {
  return { key, expiry, returnValue: true, minAcks: 0, timeoutMs: 0, ...changes };
}

/** The name of a write, as a part of its command. */
export function requestId(requestId: string, since?: Position): { readonly id: WriteId } {
  return { id: { name: { kind: 'request', requestId }, since } };
}

export function clientId(
  clientId: number,
  sequence: number,
  {
    answeredThrough = 0,
    index = 0,
    since,
  }: { answeredThrough?: number; index?: number; since?: Position } = {},
): { readonly id: WriteId } {
  const name = { kind: 'client', clientId: BigInt(clientId), sequence, index, answeredThrough } as const;
  return { id: { name, since } };
}

export function ttl(ttlMs: number): Expiry {
  return { kind: 'ttl', ttlMs };
}

/** Everything that two equal states have in common, order of recency aside. */
export function stateOf(engine: Engine): string {
  const { epoch, lsn } = engine.position;
  return `${epoch}-${lsn} ${engine.store.entries} ${engine.store.stateDigest()}`;
}

/** Takes every victim, so the order of recency; the store is of no use afterwards. */
export function drainVictims(engine: Engine): string[] {
  const order: string[] = [];
  for (let victim = engine.store.takeVictim(); victim !== undefined; victim = engine.store.takeVictim()) {
    order.push(victim.key);
  }
  return order;
}
