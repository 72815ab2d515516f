/**
 * A node's data directory in use: a real engine on a real disk, a seeded
 * workload of sets, deletes, deadlines and batches, and what the state was
 * after each record, kept in a plain Map outside of everything under test.
 */

import type { ShadowParts } from '#backup/shadow.ts';
import type { Engine } from '#engine/engine.ts';
import { EngineHost } from '#engine/engine-host.ts';
import type { PayloadWriter } from '#engine/records/payload-writer.ts';
import type { Mutation } from '#model/entry.ts';
import { makeEpoch } from '#model/position.ts';
import type { Role } from '#model/status.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { noteClosed, noteOpen } from '#test/doubles/left-open.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { openDirectory } from '#wal/wal-directory.ts';

export const fileParts: ShadowParts & { readonly random: SeededRandom } = {
  fileSystem: createNodeFileSystem(),
  clock: createNodeClock(),
  random: new SeededRandom(7),
  logger: silentLogger,
};

/** Key to `value@deadline@version@content type`. */
export type Model = ReadonlyMap<string, string>;

export interface LiveLogOptions {
  readonly seed?: number;
  readonly role?: Role;
  readonly maxFileBytes?: number;
  readonly retentionBytes?: number;
  readonly parts?: typeof fileParts;
  /** 1: the directory has taken the step, and the workload has touches, content types and request ids. */
  readonly formatLevel?: FormatLevel;
}

export const FORMAT_LEVELS = [0, 1] as const;
export type FormatLevel = (typeof FORMAT_LEVELS)[number];

export class LiveLog {
  readonly host: EngineHost;
  readonly engine: Engine;
  readonly random: SeededRandom;
  /** By LSN; the state before the first record at 0. */
  readonly models: Model[] = [new Map()];
  readonly digests: string[] = [];
  readonly timestamps: number[] = [0];
  readonly #formatLevel: FormatLevel;
  #value = 0;

  private constructor(host: EngineHost, engine: Engine, seed: number, formatLevel: FormatLevel) {
    this.host = host;
    this.engine = engine;
    this.#formatLevel = formatLevel;
    this.random = new SeededRandom(seed);
    this.digests.push(engine.store.stateDigest());
    engine.appliedFrames.subscribe((frame) => {
      this.digests[frame.lsn] = engine.store.stateDigest();
      this.timestamps[frame.lsn] = frame.timestampMs;
    });
  }

  static async open(path: string, options: LiveLogOptions = {}): Promise<LiveLog> {
    const {
      seed = 1,
      role = 'master',
      maxFileBytes = 4_096,
      retentionBytes = 0,
      parts = fileParts,
      formatLevel = 0,
    } = options;
    const random = new SeededRandom(seed);
    const directory = await openDirectory({ ...parts, path });
    await directory.commit({
      format: 1,
      logId: random.id128(),
      nodeId: random.id128(),
      role,
      upstream: role === 'master' ? '' : '127.0.0.1:9',
      term: 1,
      snapshot: '',
      lowestSegment: 1,
      replicas: { added: ['127.0.0.1:7'], removed: ['127.0.0.1:8'] },
      quarantine: null,
    });
    const host = new EngineHost(
      directory,
      {
        ...parts,
        fsync: 'never',
        syncIntervalMs: 1_000,
        requestedSyncGapMs: 0,
        maxFileBytes,
        retentionBytes,
        snapshotEveryBytes: Number.MAX_SAFE_INTEGER,
      },
      () => {},
    );
    const engine = await host.open();
    const live = noteOpen(new LiveLog(host, engine, seed, formatLevel));
    await live.#logged((done) => engine.submitEpoch(makeEpoch(1, random.uint32()), done));
    live.models.push(live.models[0] as Model);
    if (formatLevel > 0) await engine.formats.take();
    return live;
  }

  get lastLsn(): number {
    return this.engine.applied.lsn;
  }

  /** Writes `records` records, each of a few mutations. */
  async write(records: number): Promise<void> {
    for (let i = 0; i < records; i++) {
      const mutations = Array.from({ length: this.random.between(1, 3) }, () => this.#mutation());
      const payload = payloadOf(mutations);
      if (this.#formatLevel > 0) this.#name(payload);
      await this.#logged((done) => this.engine.submit(payload, done).lsn);
      this.models.push(this.#after(mutations));
    }
  }

  checkpoint() {
    return this.host.checkpoint();
  }

  close(): Promise<void> {
    noteClosed(this);
    return this.host.close();
  }

  #mutation(): Mutation {
    const key = `key ${this.random.below(40)}`;
    if (this.random.chance(0.25)) return { op: 'delete', key, cause: 'client' };
    const value = Buffer.from(`${this.#value++} ${'x'.repeat(this.random.below(120))}`);
    const expireAtMs = this.random.chance(0.2) ? 1_000_000 + this.#value : 0;
    const set = { op: 'set', key, value, expireAtMs, cause: 'client' } as const;
    if (this.#formatLevel === 0) return set;
    if (this.random.chance(0.2)) return { op: 'touch', key, expireAtMs, cause: 'client' };
    return this.random.chance(0.3) ? { ...set, contentType: 'text/plain' } : set;
  }

  #name(payload: PayloadWriter): void {
    if (!this.random.chance(0.3)) return;
    const name = { kind: 'request', requestId: `request ${this.#value}` } as const;
    payload.name({ name, checksum: 7, results: [{ applied: true, isUnmet: false }] });
  }

  #after(mutations: readonly Mutation[]): Model {
    const model = new Map(this.models.at(-1));
    const { epoch, lsn } = this.engine.position;
    for (const mutation of mutations) {
      if (mutation.op === 'delete') model.delete(mutation.key);
      else if (mutation.op === 'set') {
        const value = Buffer.from(mutation.value).toString();
        const { key, expireAtMs, contentType = '' } = mutation;
        model.set(key, `${value}@${expireAtMs}@${epoch}-${lsn}@${contentType}`);
      } else {
        const [value, , ...rest] = model.get(mutation.key)?.split('@') ?? [];
        if (value !== undefined) model.set(mutation.key, [value, mutation.expireAtMs, ...rest].join('@'));
      }
    }
    return model;
  }

  #logged(submit: (done: (error?: Error) => void) => number): Promise<void> {
    return new Promise((resolve, reject) => {
      submit((error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}

/** A store as a model has it. */
export function modelOf(store: Engine['store']): Model {
  const { entries, nextCursor } = store.scan({ prefix: '', cursor: '', limit: 10_000, keysOnly: false }, 0);
  if (nextCursor !== '') throw new Error('too much for one scan');
  return new Map(
    entries
      .map(({ key, value, expireAtMs, version, contentType = '' }): [string, string] => [
        key,
        `${Buffer.from(value).toString()}@${expireAtMs}@${version.epoch}-${version.lsn}@${contentType}`,
      ])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export function sorted(model: Model): Model {
  return new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
}
