/**
 * Sessions over two gateways and three groups whose replicas lag and whose failovers lose records, on
 * a virtual clock. A session reads what it wrote, and nothing older than what it read, unless it is
 * told DATA_LOSS first. `WALNUT_SESSION_RUNS` runs more, from `WALNUT_SESSION_SEED`.
 */
import { describe, expect, it } from 'vitest';
import type { BatchOperation, SetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import type { Seen } from '#model/seen.ts';
import { SessionKeys } from '#server/session-keys.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { includes, LaggingCluster, type LaggingGroup, type LogRecord } from '#test/routing/lagging-groups.ts';
import { formatPositions, parsePositions } from '#wire/call-headers.ts';

const RUNS = Number(process.env['WALNUT_SESSION_RUNS'] ?? 4);
const SEED = Number(process.env['WALNUT_SESSION_SEED'] ?? 1);
const GROUPS = ['g1', 'g2', 'g3'];
const KEYS = ['bar', 'foo', 'a', 'b', 'c', 'hello'];
const CLIENTS = 16;
const OPERATIONS = 40;

interface Counts {
  violations: number;
  losses: number;
  reads: number;
}

/** A caller that sends back the header of the answer before, at any gateway. */
class Caller {
  readonly #cluster: LaggingCluster;
  readonly #hasTokens: boolean;
  readonly #counts: Counts;
  #header = '';
  /** For each key the newest record that was written or read. */
  readonly #floors = new Map<string, LogRecord>();

  constructor(cluster: LaggingCluster, hasTokens: boolean, counts: Counts) {
    this.#cluster = cluster;
    this.#hasTokens = hasTokens;
    this.#counts = counts;
  }

  async get(gateway: number, key: string): Promise<void> {
    await this.#call(key, async () => {
      const { asOf, entry } = await this.#portOf(gateway).get({ key, waitMs: 0 });
      this.#check(key, asOf, entry?.version);
    });
  }

  async set(gateway: number, key: string): Promise<void> {
    await this.#call(key, async () => {
      const { position } = await this.#portOf(gateway).set(setOf(key));
      this.#floors.set(key, this.#cluster.recordAt(position) as LogRecord);
    });
  }

  async batch(gateway: number, keys: readonly string[]): Promise<void> {
    const operations = keys.map((key): BatchOperation => ({ kind: 'get', command: { key, waitMs: 0 } }));
    const results = await Promise.resolve(this.#portOf(gateway).batch(operations)).catch((error: unknown) => {
      this.#onError(error, keys);
      return [];
    });
    for (const [i, result] of results.entries()) {
      const key = keys[i] as string;
      if (result.kind === 'error') this.#onError(result.error, [key]);
      else if (result.kind === 'get') this.#check(key, result.answer.asOf, result.answer.entry?.version);
    }
  }

  async #call(key: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#onError(error, [key]);
    }
  }

  #portOf(gateway: number): KeyValuePort {
    const keys = this.#cluster.gateways[gateway] as KeyValuePort;
    if (!this.#hasTokens) return keys;
    const seen = parsePositions(this.#header);
    const own = (keys.withWish as NonNullable<KeyValuePort['withWish']>)({ seen });
    return new SessionKeys(own, seen, (now) => this.#note(now));
  }

  #note(seen: Seen): void {
    this.#header = formatPositions(seen);
  }

  #check(key: string, asOf: Position, version: Position | undefined): void {
    this.#counts.reads++;
    const floor = this.#floors.get(key);
    if (floor !== undefined && !includes(this.#cluster.recordAt(asOf), floor)) this.#counts.violations++;
    if (version !== undefined) this.#floors.set(key, this.#cluster.recordAt(version) as LogRecord);
  }

  #onError(error: unknown, keys: readonly string[]): void {
    if (!(error instanceof WalnutError)) throw error;
    if (error.code !== 'discarded_history') return;
    this.#counts.losses++;
    if (error.details.seen !== undefined) this.#note(error.details.seen);
    const lost = new Set(keys.map((key) => this.#cluster.groupOf(key)));
    for (const key of this.#floors.keys()) if (lost.has(this.#cluster.groupOf(key))) this.#floors.delete(key);
  }
}

function setOf(key: string): SetCommand {
  const receipt = { minAcks: 0, timeoutMs: 0, returnPrevious: false };
  return { key, value: new Uint8Array(), expiry: { kind: 'default' }, ...receipt };
}

async function run(seed: number, hasTokens: boolean, counts: Counts): Promise<void> {
  const random = new SeededRandom(seed);
  const below = (n: number): number => random.uint32() % n;
  const keyOf = (): string => KEYS[below(KEYS.length)] as string;
  const cluster = new LaggingCluster(GROUPS, 2, seed % 2 === 0 ? 'replica' : 'nearest');
  const { clock } = cluster;
  cluster.isLost = () => below(20) === 0;
  let isOver = false;
  const replicate = async (): Promise<void> => {
    while (!isOver) {
      await clock.sleep(50);
      for (const group of cluster.groups) group.catchUp(below(6));
    }
  };
  const failOvers = async (): Promise<void> => {
    while (!isOver) {
      await clock.sleep(500 + below(1_000));
      const group = cluster.groups[below(3)] as LaggingGroup;
      if (group.replica.isDead) continue;
      cluster.failOver(group);
      await clock.sleep(100 + below(300));
      group.revive();
    }
  };
  const client = async (): Promise<void> => {
    const caller = new Caller(cluster, hasTokens, counts);
    for (let i = 0; i < OPERATIONS; i++) {
      await clock.sleep(below(200));
      const kind = below(4);
      if (kind === 0) await caller.batch(below(2), [keyOf(), keyOf(), keyOf()]);
      else if (kind === 1) await caller.set(below(2), keyOf());
      else await caller.get(below(2), keyOf());
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client)).finally(() => {
    isOver = true;
  });
  const [events] = [Promise.all([replicate(), failOvers()])];
  let isDone = false;
  const all = Promise.all([clients, events]).finally(() => {
    isDone = true;
  });
  all.catch(() => undefined);
  await clock.advanceUntil(() => isDone, 600_000);
  await all;
}

async function runAll(hasTokens: boolean): Promise<Counts> {
  const counts = { violations: 0, losses: 0, reads: 0 };
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    await run(seed, hasTokens, counts);
    if (hasTokens && counts.violations > 0)
      throw new Error(`seed ${seed}: again with WALNUT_SESSION_SEED=${seed} WALNUT_SESSION_RUNS=1`);
  }
  return counts;
}

describe('16 sessions over two gateways, three groups and their failovers', () => {
  it('see no state older than what they wrote and read, unless a loss was reported first', async () => {
    const { violations, losses, reads } = await runAll(true);
    expect({ violations, isMany: reads > RUNS * 300, hasLosses: losses > 0 }).toEqual({
      ...{ violations: 0, isMany: true, hasLosses: true },
    });
  });

  it('would see some without their positions', async () => {
    const { violations } = await runAll(false);
    expect(violations).toBeGreaterThan(0);
  });
});
