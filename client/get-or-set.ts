/**
 * Reads through the cache: a value that is missing is loaded by one caller and stored
 * for all. In one process calls of a key share one load; between processes the fill
 * lease of the key decides who loads, and what was loaded before the key was written or
 * deleted is not stored.
 */
import { Code } from '@connectrpc/connect';
import type { GetResponse, SetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { shown } from '#platform/shown.ts';
import { ABSENT, isAbsent } from './absent.ts';
import { checkKey, checkMs, checkNames, type OptionNames } from './call-options.ts';
import { type Codec, checkCodec } from './codecs.ts';
import { CallError, invalid, refusedHere } from './failures.ts';
import { orGivenUp } from './give-up.ts';
import type { GetOptions, SetOptions } from './operations.ts';
import type { Session } from './session.ts';

/** Gives the value of the key, or undefined where there is none. `signal` aborts when nobody waits for it any more. */
export type Load<T> = (signal: AbortSignal) => Promise<T | undefined> | T | undefined;

export interface GetOrSetOptions {
  /** How long a loaded value is fresh, milliseconds. */
  readonly ttlMs: number;
  /** A value that is fresh for less than this is given, and loaded anew meanwhile. Default 0: never. */
  readonly refreshBeforeMs?: number;
  /**
   * The entry stays for so long after `ttlMs`. A value of this time is loaded anew; it is
   * given where that fails, or while another process loads. Other readers of the key are
   * not told that it is stale. Default 0.
   */
  readonly staleIfErrorMs?: number;
  /**
   * What `load` found to be missing is kept as missing for so long. Such an entry has an
   * empty value and the content type `application/x-walnut-absent`. Default: not kept.
   */
  readonly absentTtlMs?: number;
  /**
   * Where the cache is not readable for so long (at most 60,000, default 2,000), or says UNAVAILABLE or
   * DEADLINE_EXCEEDED, `load` is called all the same, once for all callers of this process, and its value
   * is given and not stored. Infinity: the call rejects then, as a `get` does.
   */
  readonly loadAfterMs?: number;
  /** After so long another process may load, too; at most 60,000, default 10,000. */
  readonly leaseMs?: number;
  /** Gives this call up. The load goes on while others wait for it. */
  readonly signal?: AbortSignal | undefined;
}

/** The calls of a client that this needs. */
export interface FillClient {
  get(key: string, options: GetOptions & { signal?: AbortSignal | undefined }): Promise<GetResponse>;
  set(key: string, value: Uint8Array, options: SetOptions): Promise<SetResponse>;
  /** The session that the key is read and written in; undefined: not known yet. */
  sessionOf(key: string): Pick<Session, 'positions' | 'doubt'> | undefined;
}

interface Plan {
  readonly ttlMs: number;
  readonly refreshBeforeMs: number;
  readonly staleMs: number;
  readonly absentTtlMs: number;
  readonly leaseMs: number;
  readonly loadAfterMs: number;
}

/** A load under way, and how many wait for it. */
interface Flight {
  readonly content: Promise<Uint8Array | undefined>;
  readonly aborter: AbortController;
  callers: number;
}

type Age = 'missing' | 'fresh' | 'to_refresh' | 'stale';
type FillLease = NonNullable<GetResponse['fillLease']>;

const LEASE_MS = 10_000;
const LEASE_MS_MAX = 60_000;
const LOAD_AFTER_MS = 2_000;
const LOAD_AFTER_MS_MAX = 60_000;
/** How often a caller waits for a lease that others were given and let end. */
const ROUNDS_MAX = 3;
/** While another process refreshes a value, this one looks again after so long. */
const REFRESH_PAUSE_MS = 1_000;
const NAMES: OptionNames = new Map(
  [
    ...['ttlMs', 'refreshBeforeMs', 'staleIfErrorMs', 'absentTtlMs', 'leaseMs', 'loadAfterMs'],
    ...['signal', 'codec'],
  ].map((name) => [name, name === 'signal' ? 'signal' : undefined]),
);
const NOTHING = new Uint8Array();
/** 1970: an entry with this deadline is a delete. */
const PAST = { case: 'expireAtMs', value: 1n } as const;

export class Loads {
  readonly #client: FillClient;
  readonly #clock: Clock;
  readonly #flights = new Map<string, Flight>();
  /** Loads whose values are not stored, since the cache is not readable. */
  readonly #alone = new Map<string, Flight>();

  constructor(client: FillClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Rejects with what `load` throws where no stale value may be given, and with `CallError`s. */
  async getOrSet<T>(
    key: string,
    load: Load<T>,
    options: GetOrSetOptions & { readonly codec: Codec<T> },
  ): Promise<T | undefined> {
    const plan = planOf(options);
    const { codec, signal } = options;
    checkKey(key);
    if (typeof load !== 'function') throw invalid(`load is ${shown(load)}: expected a function`);
    checkCodec(codec);
    const encoded: Load<Uint8Array> = async (ended) => {
      const value = await load(ended);
      return value === undefined ? undefined : codec.encode(value);
    };
    const known = await this.#known(key, plan, signal);
    if (known === undefined) {
      const alone = await this.#joinAlone(key, encoded, signal);
      return alone && codec.decode(alone);
    }
    const age = ageOf(known, plan, this.#clock.wallMs());
    if (age === 'to_refresh') this.#refresh(key, encoded, plan);
    const isUsable = age === 'fresh' || age === 'to_refresh';
    const content = isUsable ? contentOf(known) : await this.#join(key, encoded, plan, signal);
    // Each caller has a value of its own, which it may change.
    return content && codec.decode(content);
  }

  /** What the cache says of the key; undefined where it is not readable and the value is to be loaded. */
  async #known(key: string, plan: Plan, signal: AbortSignal | undefined): Promise<GetResponse | undefined> {
    const { loadAfterMs } = plan;
    if (loadAfterMs === Number.POSITIVE_INFINITY) return this.#client.get(key, { signal });
    const doubt = this.#doubtOf(key);
    let isLate = false;
    const read = this.#client.get(key, { signal }).catch((error: unknown) => {
      if (isLate) doubt(error);
      if (isUnreadable(error)) return undefined;
      throw error;
    });
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(loadAfterMs, () => {
        isLate = true;
        resolve(undefined);
      });
      read.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** One load for all callers of this process, beside those that are stored. */
  #joinAlone(
    key: string,
    load: Load<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const flight = this.#alone.get(key) ?? this.#fly(this.#alone, key, async (ends) => load(ends));
    return this.#wait(this.#alone, key, flight, signal);
  }

  #refresh(key: string, load: Load<Uint8Array>, plan: Plan): void {
    if (this.#flights.has(key)) return;
    this.#flightOf(key, load, plan, true);
  }

  async #join(
    key: string,
    load: Load<Uint8Array>,
    plan: Plan,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const flight = this.#flights.get(key) ?? this.#flightOf(key, load, plan, false);
    return this.#wait(this.#flights, key, flight, signal);
  }

  async #wait(
    flights: Map<string, Flight>,
    key: string,
    flight: Flight,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    flight.callers++;
    try {
      return await orGivenUp(flight.content, signal);
    } finally {
      flight.callers--;
      // Nobody waits any more: the next caller begins anew. What is loaded already is not given up.
      if (flight.callers === 0 && flights.get(key) === flight) {
        flights.delete(key);
        flight.aborter.abort();
      }
    }
  }

  #fly(
    flights: Map<string, Flight>,
    key: string,
    work: (ends: AbortSignal) => Promise<Uint8Array | undefined>,
  ): Flight {
    const aborter = new AbortController();
    const content = work(aborter.signal).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    const flight: Flight = { content, aborter, callers: 0 };
    flights.set(key, flight);
    return flight;
  }

  #flightOf(key: string, load: Load<Uint8Array>, plan: Plan, isRefresh: boolean): Flight {
    const doubt = this.#doubtOf(key);
    const flight = this.#fly(this.#flights, key, (ends) => this.#fill(key, load, plan, ends, isRefresh));
    // One that refreshes waits for itself, so that it does not end with the callers that join it.
    if (isRefresh) flight.callers = 1;
    // Those who wait for it are told why it failed. One that refreshes may have nobody who waits.
    flight.content.catch((error: unknown) => {
      if (isRefresh && flight.callers === 1) doubt(error);
    });
    return flight;
  }

  /** Takes an error that no caller gets: where it is a loss, the next read of the session tells it. */
  #doubtOf(key: string): (error: unknown) => void {
    const session = this.#client.sessionOf(key);
    const positions = session?.positions ?? [];
    return (error) => {
      if (isLoss(error)) for (const position of positions) session?.doubt(position);
    };
  }

  /** The value that another process stored, or loads it. */
  async #fill(
    key: string,
    load: Load<Uint8Array>,
    plan: Plan,
    signal: AbortSignal,
    isRefresh: boolean,
  ): Promise<Uint8Array | undefined> {
    const { leaseMs, refreshBeforeMs, staleMs } = plan;
    const options = {
      fillLeaseMs: leaseMs,
      waitMs: leaseMs,
      refreshBeforeMs: BigInt(refreshBeforeMs + staleMs),
      signal,
    };
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const answer = await this.#client.get(key, options).catch((error: unknown) => {
        if (!isRefresh && plan.loadAfterMs !== Number.POSITIVE_INFINITY && isUnreadable(error))
          return undefined;
        throw error;
      });
      if (answer === undefined) return load(signal);
      if (answer.fillLease !== undefined)
        return this.#load(key, load, plan, answer, answer.fillLease, signal);
      if (!answer.found) continue;
      if (isRefresh) await this.#clock.sleep(Math.min(answer.fillWaitMs, REFRESH_PAUSE_MS), signal);
      return contentOf(answer);
    }
    throw refusedHere(
      `others were given the right to load ${JSON.stringify(key)} and did not store it, ${ROUNDS_MAX} times for ${leaseMs} ms`,
      Code.Unavailable,
    );
  }

  async #load(
    key: string,
    load: Load<Uint8Array>,
    plan: Plan,
    known: GetResponse,
    lease: FillLease,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    let content: Uint8Array | undefined;
    try {
      content = await load(signal);
    } catch (error) {
      if (known.found && plan.staleMs > 0) return contentOf(known);
      // Ends the lease, so that the next caller need not wait for it. A value that is there stays.
      if (!known.found) await this.#store(key, undefined, lease, PAST).catch(unlessLoss);
      throw error;
    }
    const isKept = content !== undefined || plan.absentTtlMs > 0;
    const keptMs = content === undefined ? plan.absentTtlMs : plan.ttlMs + plan.staleMs;
    const expiry = isKept ? ({ case: 'ttlMs', value: BigInt(keptMs) } as const) : PAST;
    const stored = await this.#store(key, content, lease, expiry).catch(unlessLoss);
    // Somebody wrote the key meanwhile: what was loaded may be older.
    if (stored?.applied === false && stored.current !== undefined)
      return contentOf({ ...stored.current, found: true });
    return content;
  }

  #store(
    key: string,
    content: Uint8Array | undefined,
    { token }: FillLease,
    expiry: NonNullable<SetOptions['expiry']>,
  ): Promise<SetResponse> {
    const contentType = content === undefined && expiry !== PAST ? ABSENT : '';
    const condition = { case: 'ifFillLease', value: token } as const;
    return this.#client.set(key, content ?? NOTHING, { condition, expiry, contentType });
  }
}

/** A loss of what the session saw is told once: who drops it, drops it for good. */
function isLoss(error: unknown): boolean {
  return error instanceof CallError && error.code === Code.DataLoss;
}

/** No node can say what the key is. */
function isUnreadable(error: unknown): boolean {
  return (
    error instanceof CallError && (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded)
  );
}

/** What was loaded is given also where it cannot be stored. */
function unlessLoss(error: unknown): undefined {
  if (isLoss(error)) throw error;
}

/** How old an answer is. `nowMs`: this machine's wall clock, which decides only when to load anew. */
export function ageOf(
  { found, expireAtMs }: Pick<GetResponse, 'found' | 'expireAtMs'>,
  { staleMs, refreshBeforeMs }: Pick<Plan, 'staleMs' | 'refreshBeforeMs'>,
  nowMs: number,
): Age {
  if (!found) return 'missing';
  if (expireAtMs === 0n) return 'fresh';
  const leftMs = Number(expireAtMs) - nowMs;
  if (staleMs > 0 && leftMs <= staleMs) return 'stale';
  return leftMs <= staleMs + refreshBeforeMs && refreshBeforeMs > 0 ? 'to_refresh' : 'fresh';
}

/** Undefined for an entry that says that there is nothing. */
function contentOf({
  found,
  value,
  contentType,
}: Pick<GetResponse, 'found' | 'value' | 'contentType'>): Uint8Array | undefined {
  return found && !isAbsent({ contentType }) ? value : undefined;
}

function planOf(options: GetOrSetOptions): Plan {
  checkNames(options, NAMES);
  const { ttlMs, refreshBeforeMs = 0, staleIfErrorMs = 0, absentTtlMs = 0, leaseMs = LEASE_MS } = options;
  const { loadAfterMs = LOAD_AFTER_MS } = options;
  checkMs('ttlMs', ttlMs, 1, Number.MAX_SAFE_INTEGER);
  for (const [name, value] of Object.entries({ refreshBeforeMs, staleIfErrorMs, absentTtlMs }))
    checkMs(name, value, 0, Number.MAX_SAFE_INTEGER);
  checkMs('leaseMs', leaseMs, 1, LEASE_MS_MAX);
  if (loadAfterMs !== Number.POSITIVE_INFINITY) checkMs('loadAfterMs', loadAfterMs, 0, LOAD_AFTER_MS_MAX);
  if (refreshBeforeMs >= ttlMs)
    throw invalid(`refreshBeforeMs is ${refreshBeforeMs}: expected less than ttlMs, which is ${ttlMs}`);
  return { ttlMs, refreshBeforeMs, staleMs: staleIfErrorMs, absentTtlMs, leaseMs, loadAfterMs };
}
