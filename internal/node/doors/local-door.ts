/**
 * The node as the program sees in whose process it runs: reads without a promise, from the
 * state of this moment. They are judged as those of clients are, and refused where a client
 * would be refused.
 */

import type { Engine } from '#engine/engine.ts';
import { inWallTime } from '#engine/log-clock.ts';
import type { ScanAnswer, ScanCommand } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument, unavailable } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { describeAge } from '#model/status.ts';
import type { Admission } from '#node/doors/admission.ts';
import type { Reader } from '#node/reader.ts';
import { shown } from '#platform/shown.ts';
import type { SideReads } from '#storage/side-reads.ts';

/** One read in so many counts towards the keys that the master must not evict; a power of 2. */
const NOTED_OF = 32;

export class LocalDoor {
  readonly #admission: Admission;
  readonly #reader: Reader;
  /** The engine that was read last, and the reads of its store. */
  #engine: Engine | undefined;
  #reads: SideReads | undefined;
  #count = 0;
  /** Hits and misses of engines before that one. */
  #before = { hits: 0, misses: 0 };
  /** Reads throw where the state is older than this, in milliseconds; undefined: they never do. */
  maxStalenessMs: number | undefined;

  constructor(admission: Admission, reader: Reader) {
    this.#admission = admission;
    this.#reader = reader;
  }

  /** The value: a copy, or bytes of the store that are never written again, as an observer has them. */
  value(key: string): Uint8Array | undefined {
    const engine = this.#readable(key);
    const value = this.#readsOf(engine).value(key, engine);
    if (value !== undefined) this.#note(key);
    return value;
  }

  /** The value as it lies in the store: it may change once the caller returns to the event loop. */
  view(key: string): Uint8Array | undefined {
    const engine = this.#readable(key);
    const value = this.#readsOf(engine).view(key, engine);
    if (value !== undefined) this.#note(key);
    return value;
  }

  /** The entry with its deadline in wall time. */
  entry(key: string): Entry | undefined {
    const engine = this.#readable(key);
    const entry = this.#readsOf(engine).entry(key, engine);
    if (entry === undefined) return undefined;
    this.#note(key);
    return inWallTime(entry, engine.logClock);
  }

  has(key: string): boolean {
    const engine = this.#readable(key);
    return this.#readsOf(engine).has(key, engine);
  }

  scan(command: ScanCommand): ScanAnswer {
    this.#state(command.prefix);
    return this.#reader.scan(command);
  }

  /** The last record that reads show. */
  get position(): Position {
    return this.#admission.readable().position;
  }

  /** Milliseconds since this node last had everything that its master had made durable. */
  get stalenessMs(): number {
    return this.#admission.requireRole().stalenessMs;
  }

  get hits(): number {
    return this.#before.hits + (this.#reads?.hits ?? 0);
  }

  get misses(): number {
    return this.#before.misses + (this.#reads?.misses ?? 0);
  }

  /** Resolves when a position is visible; rejects as a Get with that token does. */
  async waitFor(position: Position, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.#reader.untilReached(position, timeoutMs, signal);
  }

  /** The state to read a key from. */
  #readable(key: string): Engine {
    const engine = this.#state(key);
    this.#admission.partial?.check(key);
    return engine;
  }

  #state(key: string): Engine {
    if (typeof key !== 'string') throw invalidArgument(`the key is ${shown(key)}: expected a string`);
    const { maxStalenessMs } = this;
    if (maxStalenessMs !== undefined && this.stalenessMs > maxStalenessMs) throw this.#tooStale();
    return this.#admission.readable();
  }

  #tooStale(): Error {
    const { role } = this.#admission;
    const why = role?.reasons.join('; ') || 'it is catching up';
    return unavailable(
      `the data here is ${describeAge(this.stalenessMs)}, and maxStalenessMs is ${this.maxStalenessMs}: ${why}`,
      role?.leaderHint,
    );
  }

  #readsOf(engine: Engine): SideReads {
    if (this.#engine === engine && this.#reads !== undefined) return this.#reads;
    this.#before = { hits: this.hits, misses: this.misses };
    this.#engine = engine;
    this.#reads = engine.store.sideReads();
    return this.#reads;
  }

  #note(key: string): void {
    this.#count = (this.#count + 1) & (NOTED_OF - 1);
    if (this.#count !== 0) return;
    const { role } = this.#admission;
    if (role?.kind === 'replica') role.noteRead(key);
  }
}
