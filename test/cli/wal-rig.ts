/**
 * A data directory for the tests of `walnut wal`, written by the real engine and log. What
 * every record contains is also kept as plain values, independent of the code under test.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '#engine/engine.ts';
import { EngineHost } from '#engine/engine-host.ts';
import type { Mutation } from '#model/entry.ts';
import { makeEpoch, toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { noteClosed, noteOpen } from '#test/doubles/left-open.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import type { Manifest } from '#wal/manifest.ts';
import { openDirectory } from '#wal/wal-directory.ts';

const WHY = { reason: 'another history', sinceMs: 1_000, upstream: 'master:1' };

export const LOG_ID = '00112233445566778899aabbccddeeff';
export const EPOCH = makeEpoch(1, 7);

const MANIFEST: Manifest = {
  format: 1,
  logId: LOG_ID,
  nodeId: 'ffeeddccbbaa99887766554433221100',
  role: 'master',
  upstream: '',
  term: 1,
  snapshot: '',
  lowestSegment: 1,
  replicas: { added: [], removed: [] },
  quarantine: null,
};

export interface RigOptions {
  readonly seed?: number;
  readonly maxFileBytes?: number;
  readonly retentionBytes?: number;
}

/** The changes of a record, by key. */
export interface Written {
  readonly lsn: number;
  readonly mutations: readonly Mutation[];
}

export class WalRig {
  readonly host: EngineHost;
  readonly random: SeededRandom;
  /** Index 0 is LSN 1, the EPOCH record. */
  readonly written: Written[] = [];

  private constructor(host: EngineHost, seed: number) {
    this.host = host;
    this.random = new SeededRandom(seed);
  }

  /**
   * Initialises a fresh directory. A directory that was written before begins another
   * epoch, unless it was closed.
   */
  static async open(path: string, options: RigOptions = {}): Promise<WalRig> {
    const parts = {
      fileSystem: createNodeFileSystem(),
      clock: createNodeClock(),
      random: new SeededRandom(7),
      logger: silentLogger,
    };
    const directory = await openDirectory({ ...parts, path });
    const isFresh = directory.manifest === undefined;
    const host = new EngineHost(
      directory,
      {
        ...parts,
        fsync: 'always',
        syncIntervalMs: 1_000,
        requestedSyncGapMs: 0,
        maxFileBytes: options.maxFileBytes ?? 4_096,
        retentionBytes: options.retentionBytes ?? 0,
        snapshotEveryBytes: Number.MAX_SAFE_INTEGER,
      },
      () => {},
    );
    try {
      if (isFresh) await directory.commit(MANIFEST);
      await directory.sweepAside();
      await host.open();
    } catch (error) {
      await host.close();
      throw error;
    }
    const rig = noteOpen(new WalRig(host, options.seed ?? 1));
    if (isFresh) {
      await rig.#logged((done) => rig.engine.submitEpoch(EPOCH, done));
      rig.written.push({ lsn: 1, mutations: [] });
    }
    return rig;
  }

  get engine(): Engine {
    if (this.host.engine === undefined) throw new Error('no engine is open');
    return this.host.engine;
  }

  /** Writes `count` records of one to three mutations. */
  async write(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const mutations = Array.from({ length: this.random.between(1, 3) }, () => this.#mutation());
      const lsn = this.engine.nextLsn;
      await this.#logged((done) => this.engine.submit(payloadOf(mutations), done).lsn);
      this.written.push({ lsn, mutations });
    }
  }

  /** Cuts the log back to `lsn` and begins another history there. */
  async cutTo(lsn: number, epoch: number): Promise<void> {
    await this.host.cutTo({ epoch: EPOCH, lsn: toLsn(lsn) }, WHY);
    await this.#logged((done) => this.engine.submitEpoch(epoch, done));
  }

  async close(): Promise<void> {
    noteClosed(this);
    await this.host.close();
  }

  #mutation(): Mutation {
    const key = `key ${this.random.below(40)}`;
    if (this.random.chance(0.25)) return { op: 'delete', key, cause: 'client' };
    const value = Buffer.from(`${this.written.length} ${'x'.repeat(this.random.below(150))}`);
    return { op: 'set', key, value, expireAtMs: this.random.chance(0.2) ? 2 ** 41 : 0, cause: 'client' };
  }

  #logged(submit: (done: (error?: Error) => void) => number): Promise<void> {
    return new Promise((resolve, reject) => {
      submit((error) => (error === undefined ? resolve() : reject(error)));
    });
  }
}

/** The expected state after the records up to `lsn`: key to `value@version`. */
export function stateAt(written: readonly Written[], lsn: number): Map<string, string> {
  const state = new Map<string, string>();
  for (const record of written) {
    if (record.lsn > lsn) break;
    for (const mutation of record.mutations) {
      if (mutation.op === 'delete') state.delete(mutation.key);
      else if (mutation.op === 'set')
        state.set(mutation.key, `${Buffer.from(mutation.value).toString()}@${EPOCH}-${record.lsn}`);
    }
  }
  return new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The state of an engine in the same form. */
export function stateOf(engine: Engine): Map<string, string> {
  const { entries } = engine.store.scan({ prefix: '', cursor: '', limit: 10_000, keysOnly: false }, 0);
  const pairs = entries.map(({ key, value, version }): [string, string] => [
    key,
    `${Buffer.from(value).toString()}@${version.epoch}-${version.lsn}`,
  ]);
  return new Map(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The segments of the directory, oldest first. */
export async function segmentsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.wal')).sort();
}

/** Names, contents and times of all files in the directory, as one text. */
export async function fingerprint(directory: string): Promise<string> {
  const names = (await readdir(directory, { recursive: true })).sort();
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      const stats = await stat(path);
      if (stats.isDirectory()) return [name];
      const digest = createHash('sha256').update(await readFile(path));
      return [name, digest.digest('hex'), stats.mtimeMs];
    }),
  );
  return JSON.stringify(files);
}

export async function change(
  directory: string,
  name: string,
  edit: (bytes: Buffer) => Uint8Array,
): Promise<void> {
  const path = join(directory, name);
  await writeFile(path, edit(await readFile(path)));
}

export const flipAt =
  (offset: number) =>
  (bytes: Buffer): Buffer => {
    bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    return bytes;
  };
