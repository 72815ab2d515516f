/**
 * Clients of a group whose master changes: one counts, another reads the counters through a
 * near cache. It keeps what each call came to, and when a count was known to be safe.
 */
import { Code } from '@connectrpc/connect';
import type { CallError } from '../../client/failures.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';
import { pause } from './node-process.ts';

/** These are counted without a pause, and change too often to be found in the near cache. */
const FAST = ['a', 'b', 'c', 'd'];
const SLOW = ['e', 'f', 'g', 'h'];
const SLOW_PAUSE_MS = 150;
const READ_PAUSE_MS = 5;
const ACK_TIMEOUT_MS = 2_000;

/** What calls of one key came to. */
interface Counted {
  readonly key: string;
  done: number;
  /** May have been counted, or were by a master that may have been the only one to know. */
  unknown: number;
  refused: number;
  /** The counts that every later master has, each with the moment of its answer, the newest last. */
  safe: { readonly count: number; readonly atMs: number }[];
}

export interface NearRun {
  reads: number;
  hits: number;
  /** Reads that rejected; what the session saw was discarded for `losses` of them. */
  failed: number;
  losses: number;
  /** Reads that were staler than allowed. */
  readonly stale: string[];
}

export class ClientLoad {
  /** True while one node alone has the group: no write can be acknowledged by another, and no node is killed. */
  isAlone = false;
  readonly near: NearRun = { reads: 0, hits: 0, failed: 0, losses: 0, stale: [] };
  longestMs = 0;
  readonly #writer: WalnutClient;
  readonly #reader: WalnutClient;
  readonly #maxStalenessMs: number;
  readonly #counted: Counted[] = [...FAST, ...SLOW].map((key) => {
    return { key, done: 0, unknown: 0, refused: 0, safe: [] };
  });
  readonly #running: Promise<unknown>;
  #isOver = false;

  /** `reader` has a near cache of every key with this bound. */
  constructor(writer: WalnutClient, reader: WalnutClient, maxStalenessMs: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#maxStalenessMs = maxStalenessMs;
    const counts = this.#counted.map((one) => this.#count(one));
    this.#running = Promise.all([...counts, ...this.#counted.map((one) => this.#read(one))]);
    this.#running.catch(() => undefined);
  }

  /** The fewest increments of a key that are done. */
  get least(): number {
    return Math.min(...this.#counted.map(({ done }) => done));
  }

  get totals(): Record<'done' | 'unknown' | 'refused', number> {
    const sum = (of: 'done' | 'unknown' | 'refused'): number =>
      this.#counted.reduce((total, one) => total + one[of], 0);
    return { done: sum('done'), unknown: sum('unknown'), refused: sum('refused') };
  }

  /** Lets the calls under way be the last. */
  stop(): void {
    this.#isOver = true;
  }

  /** Resolves when every call is settled, with the counters that are wrong. */
  async end(): Promise<string[]> {
    this.stop();
    await this.#running;
    this.near.hits = this.#reader.nearStats?.hits ?? 0;
    const wrong = await Promise.all(
      this.#counted.map(async ({ key, done, unknown }) => {
        const sum = countOf((await this.#settled(() => this.#writer.get(key))).value);
        const isRight = sum >= done && sum <= done + unknown;
        return isRight ? [] : [`${key} is ${sum}: expected ${done} to ${done + unknown}`];
      }),
    );
    return wrong.flat();
  }

  /** A session tells a discarded position once. */
  #settled<T>(call: () => Promise<T>): Promise<T> {
    return call().catch((error: CallError) => {
      if (error.code !== Code.DataLoss) throw error;
      return call();
    });
  }

  async #count(counted: Counted): Promise<void> {
    const isSlow = SLOW.includes(counted.key);
    while (!this.#isOver) {
      const startMs = performance.now();
      const { isAlone } = this;
      const wait = isAlone ? {} : { minAcks: 1, timeoutMs: ACK_TIMEOUT_MS };
      try {
        const { value, replicasAcked } = await this.#writer.increment(counted.key, wait);
        if (isAlone || replicasAcked > 0) this.#noteSafe(counted, Number(value));
        else counted.unknown++;
      } catch (error) {
        counted[(error as CallError).outcome === 'not_done' ? 'refused' : 'unknown']++;
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      if (isSlow) await pause(SLOW_PAUSE_MS);
    }
  }

  #noteSafe(counted: Counted, count: number): void {
    counted.done++;
    const atMs = performance.now();
    const oldMs = atMs - this.#maxStalenessMs;
    // Every read must show the newest of the old ones: the others are not needed.
    const firstNewer = counted.safe.findIndex((one) => one.atMs > oldMs);
    if (firstNewer > 1) counted.safe.splice(0, firstNewer - 1);
    counted.safe.push({ count, atMs });
  }

  async #read(counted: Counted): Promise<void> {
    for (; !this.#isOver; await pause(READ_PAUSE_MS)) {
      const beforeMs = performance.now() - this.#maxStalenessMs;
      const expected = counted.safe.findLast(({ atMs }) => atMs <= beforeMs)?.count ?? 0;
      try {
        const shown = countOf((await this.#reader.get(counted.key)).value);
        this.near.reads++;
        if (shown < expected) this.near.stale.push(`${counted.key} is ${shown}: expected ${expected}`);
      } catch (error) {
        this.near.failed++;
        if ((error as CallError).code === Code.DataLoss) this.near.losses++;
      }
    }
  }
}

function countOf(value: Uint8Array): number {
  return Number(Buffer.from(value).toString() || '0');
}
