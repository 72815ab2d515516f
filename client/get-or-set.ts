/**
 * Reads through the cache: a value that is missing is loaded by one caller and stored
 * for all. In one process calls of a key share one load; between processes the fill
 * lease of the key decides who loads, and what was loaded before the key was written or
 * deleted is not stored. While the cache is not readable (`Breaker`), values are loaded and given
 * without it, and not stored later either.
 */
import { Code } from '@connectrpc/connect';
import type { GetResponse, SetResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import { shown } from '#platform/shown.ts';
import { ABSENT, isAbsent } from './absent.ts';
import { Breaker } from './breaker.ts';
import { checkKey } from './call-options.ts';
import { type Codec, checkCodec, decoded, encoded } from './codecs.ts';
import { CallError, invalid, isUnreadable, refusedHere } from './failures.ts';
import { type Flight, Flights, type Progress } from './flights.ts';
import { ageOf, type GetOrSetOptions, type Plan, planOf } from './load-plan.ts';
import type { GetOptions, SetOptions } from './operations.ts';
import type { Session } from './session.ts';

/** Gives the value of the key, or undefined where there is none. `signal` aborts when nobody waits for it any more. */
export type Load<T> = (signal: AbortSignal) => Promise<T | undefined> | T | undefined;

/** The calls of a client that this needs. */
export interface FillClient {
  get(key: string, options: GetOptions & { signal?: AbortSignal | undefined }): Promise<GetResponse>;
  set(
    key: string,
    value: Uint8Array,
    options: SetOptions & { signal?: AbortSignal | undefined },
  ): Promise<SetResponse>;
  /** The session that the key is read and written in, one for each group; undefined: not known yet. */
  sessionOf(key: string): Pick<Session, 'positions' | 'doubt'> | undefined;
  /** Aborts when the client is closed. */
  readonly closed: AbortSignal;
}

export interface LoadsOptions {
  readonly client: FillClient;
  readonly clock: Clock;
  readonly random: Random;
}

/** How the cache is asked. */
interface Asking {
  readonly breaker: Breaker;
  readonly plan: Plan;
  /** Takes an error that no caller gets. */
  readonly doubt: (error: unknown) => void;
  /** It ends the call with its caller. */
  readonly signal: AbortSignal | undefined;
}

/** What a flight does for a key that is stored. */
interface Filling extends Asking {
  readonly key: string;
  readonly load: Load<Uint8Array>;
  /** Nobody may wait for it. It waits for itself, so that it does not end with the callers that join it. */
  readonly isRefresh: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Undefined: there is nothing. */
type Content = Uint8Array | undefined;
type FillLease = NonNullable<GetResponse['fillLease']>;

/** How often a caller waits for a lease that others were given and let end. */
const ROUNDS_MAX = 3;
/** While another process refreshes a value, this one looks again after so long. */
const REFRESH_PAUSE_MS = 1_000;
/** While a caller waits for another one it asks so often whether the cache is still there, milliseconds. */
const LOOK_MS = 1_000;
/** The callers of a value that is loaded anew, where nobody else waits for it. */
const FOR_ITSELF = 1;
const NOTHING = new Uint8Array();
/** 1970: an entry with this deadline is a delete. */
const PAST = { case: 'expireAtMs', value: 1n } as const;

export class Loads {
  readonly #client: FillClient;
  readonly #clock: Clock;
  readonly #flights = new Flights<Content>();
  /** Loads whose values are not stored, since the cache is not readable. */
  readonly #alone = new Flights<Content>();
  /** Calls whose callers went on without the cache. */
  readonly #left = new Set<AbortController>();
  /** One for each group, by its session. */
  readonly #breakers = new WeakMap<object, Breaker>();
  readonly #random: Random;
  /** For keys whose group is not known yet. */
  readonly #breaker: Breaker;

  constructor({ client, clock, random }: LoadsOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#random = random;
    this.#breaker = new Breaker(clock, random);
  }

  /** Rejects with what `load` throws, as it is, where no stale value may be given, and with `CallError`s. */
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
    const loaded: Load<Uint8Array> = async (ended) => {
      const value = await load(ended);
      return value === undefined ? undefined : encoded(codec, key, value);
    };
    const decode = (content: Content): T | undefined => content && decoded(codec, key, content, 'not_done');
    const known = await this.#known(key, plan, signal);
    if (known === undefined) return decode(await this.#joinAlone(key, loaded, signal));
    const age = ageOf(known, plan, this.#clock.wallMs());
    if (age === 'to_refresh') this.#refresh(key, loaded, plan);
    const isUsable = age === 'fresh' || age === 'to_refresh';
    const content = isUsable ? contentOf(known) : await this.#join(key, loaded, plan, signal);
    // Each caller has a value of its own, which it may change.
    return decode(content);
  }

  /** Gives up the calls that nobody waits for: an orderly end need not wait for them either. */
  close(): void {
    for (const ends of this.#left) ends.abort();
    this.#flights.endUnwanted();
  }

  /** What the cache says of the key; undefined where it is not readable and the value is to be loaded. */
  async #known(key: string, plan: Plan, signal: AbortSignal | undefined): Promise<GetResponse | undefined> {
    const breaker = this.#breakerOf(key);
    const doubt = this.#doubtOf(key);
    const read = (ends: AbortSignal): Promise<GetResponse> => this.#client.get(key, { signal: ends });
    if (breaker.isOpen(plan)) {
      breaker.probe(() => read(this.#client.closed), plan).catch(doubt);
      return undefined;
    }
    try {
      return await this.#askUpTo(read, { breaker, plan, doubt, signal });
    } catch (error) {
      if (plan.loadAfterMs !== Number.POSITIVE_INFINITY && isUnreadable(error)) return undefined;
      throw error;
    }
  }

  /** See `Breaker.askUpTo`. The call goes on without its caller until the client is closed: its answer tells that the cache is back. */
  #askUpTo<T>(
    call: (ends: AbortSignal) => Promise<T>,
    { breaker, plan, doubt, signal }: Asking,
  ): Promise<T | undefined> {
    const ends = new AbortController();
    // A signal of another realm, or of a library, is none that `AbortSignal.any` takes.
    const onAbort = (): void => ends.abort();
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    let isLeft = false;
    const ask = async (): Promise<T> => {
      try {
        return await call(ends.signal);
      } catch (error) {
        if (isLeft) doubt(error);
        throw error;
      } finally {
        signal?.removeEventListener('abort', onAbort);
        this.#left.delete(ends);
      }
    };
    return breaker.askUpTo(ask, plan, () => {
      isLeft = true;
      this.#left.add(ends);
      if (this.#client.closed.aborted) ends.abort();
    });
  }

  #breakerOf(key: string): Breaker {
    const session = this.#client.sessionOf(key);
    if (session === undefined) return this.#breaker;
    const known = this.#breakers.get(session) ?? new Breaker(this.#clock, this.#random);
    this.#breakers.set(session, known);
    return known;
  }

  /** One load for all callers of this process, beside those that are stored. */
  #joinAlone(key: string, load: Load<Uint8Array>, signal: AbortSignal | undefined): Promise<Content> {
    const stored = this.#flights.get(key);
    if (stored?.progress.isLoading === true) return this.#flights.wait(key, stored, signal);
    const flight = this.#alone.get(key) ?? this.#alone.begin(key, (ends) => this.#pass(key, load, ends));
    return this.#alone.wait(key, flight, signal);
  }

  async #pass(key: string, load: Load<Uint8Array>, signal: AbortSignal): Promise<Content> {
    this.#breakerOf(key).onPassed();
    return load(signal);
  }

  #refresh(key: string, load: Load<Uint8Array>, plan: Plan): void {
    if (this.#flights.get(key) === undefined) this.#flightOf(key, load, plan, true);
  }

  #join(key: string, load: Load<Uint8Array>, plan: Plan, signal: AbortSignal | undefined): Promise<Content> {
    const flight = this.#flights.get(key) ?? this.#flightOf(key, load, plan, false);
    return this.#flights.wait(key, flight, signal);
  }

  #flightOf(key: string, load: Load<Uint8Array>, plan: Plan, isRefresh: boolean): Flight<Content> {
    const doubt = this.#doubtOf(key);
    const breaker = this.#breakerOf(key);
    const fill = (signal: AbortSignal, progress: Progress): Promise<Content> =>
      this.#fill({ key, load, plan, isRefresh, breaker, doubt, progress, signal });
    const flight = this.#flights.begin(key, fill, isRefresh ? FOR_ITSELF : 0);
    // Those who wait for it are told why it failed. One that refreshes may have nobody who waits.
    flight.result.catch((error: unknown) => {
      if (isRefresh && flight.progress.callers === FOR_ITSELF) doubt(error);
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
  async #fill(filling: Filling): Promise<Content> {
    const { key, load, plan, isRefresh, progress, signal } = filling;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const answer = await this.#lease(filling);
      if (answer === undefined) {
        // A value that is not stored is loaded for somebody.
        if (isRefresh && progress.callers === FOR_ITSELF) throw unreadable();
        return this.#joinAlone(key, load, signal);
      }
      if (answer.fillLease !== undefined) return this.#load(filling, answer, answer.fillLease);
      if (!answer.found) continue;
      if (isRefresh) await this.#clock.sleep(Math.min(answer.fillWaitMs, REFRESH_PAUSE_MS), signal);
      return contentOf(answer);
    }
    throw refusedHere(
      `others were given the right to load ${JSON.stringify(key)} and did not store it, ${ROUNDS_MAX} times for ${plan.leaseMs} ms`,
      Code.Unavailable,
    );
  }

  /** Asks for the right to load; undefined where the cache is not readable and the value is to be loaded. */
  async #lease(filling: Filling): Promise<GetResponse | undefined> {
    const { key, plan, doubt, signal } = filling;
    const { leaseMs, refreshBeforeMs, staleMs, loadAfterMs } = plan;
    const options = {
      fillLeaseMs: leaseMs,
      waitMs: leaseMs,
      refreshBeforeMs: BigInt(refreshBeforeMs + staleMs),
    };
    if (loadAfterMs === Number.POSITIVE_INFINITY) return this.#client.get(key, { ...options, signal });
    const over = new AbortController();
    const ends = AbortSignal.any([signal, over.signal]);
    const asked = this.#client.get(key, { ...options, signal: ends });
    asked.catch((error: unknown) => {
      if (over.signal.aborted) doubt(error);
    });
    try {
      const isSilent = this.#becomesSilent({ ...filling, signal: ends });
      return await Promise.race([asked, isSilent.then((is) => (is ? undefined : asked))]);
    } catch (error) {
      if (isUnreadable(error)) return undefined;
      throw error;
    } finally {
      // Nobody would use a right that is given later.
      over.abort();
    }
  }

  /**
   * True once the cache is silent, false where the signal aborts before. That a call waits for another
   * caller is no silence, so the cache is asked for something else meanwhile.
   */
  async #becomesSilent(filling: Filling): Promise<boolean> {
    const { key, plan, breaker, doubt, signal } = filling;
    const read = (ends: AbortSignal): Promise<GetResponse> => this.#client.get(key, { signal: ends });
    for (;;) {
      await this.#clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return false;
      if (breaker.isOpen(plan)) return true;
      try {
        if ((await this.#askUpTo(read, filling)) === undefined) return true;
      } catch (error) {
        if (isUnreadable(error)) return true;
        doubt(error);
      }
    }
  }

  async #load(filling: Filling, known: GetResponse, lease: FillLease): Promise<Content> {
    const { key, load, plan, progress, signal } = filling;
    /** Undefined where it failed, or took too long: the lease is its condition, however late it is carried out. */
    const store = (
      content: Content,
      expiry: NonNullable<SetOptions['expiry']>,
    ): Promise<SetResponse | undefined> =>
      this.#askUpTo((ends) => this.#store(key, content, lease, expiry, ends), {
        ...filling,
        signal: undefined,
      }).catch(unlessLoss);
    let content: Content;
    progress.isLoading = true;
    try {
      content = await load(signal);
    } catch (error) {
      if (known.found && plan.staleMs > 0) return contentOf(known);
      // Ends the lease, so that the next caller need not wait for it. A value that is there stays.
      if (!known.found) await store(undefined, PAST);
      throw error;
    } finally {
      progress.isLoading = false;
    }
    const isKept = content !== undefined || plan.absentTtlMs > 0;
    const keptMs = content === undefined ? plan.absentTtlMs : plan.ttlMs + plan.staleMs;
    const expiry = isKept ? ({ case: 'ttlMs', value: BigInt(keptMs) } as const) : PAST;
    const stored = await store(content, expiry);
    // Somebody wrote the key meanwhile: what was loaded may be older.
    if (stored?.applied === false && stored.current !== undefined)
      return contentOf({ ...stored.current, found: true });
    return content;
  }

  #store(
    key: string,
    content: Content,
    { token }: FillLease,
    expiry: NonNullable<SetOptions['expiry']>,
    signal: AbortSignal,
  ): Promise<SetResponse> {
    const contentType = content === undefined && expiry !== PAST ? ABSENT : '';
    const condition = { case: 'ifFillLease', value: token } as const;
    return this.#client.set(key, content ?? NOTHING, { condition, expiry, contentType, signal });
  }
}

function unreadable(): CallError {
  return refusedHere('the cache cannot be read', Code.Unavailable);
}

/** A loss of what the session saw is told once: who drops it, drops it for good. */
function isLoss(error: unknown): boolean {
  return error instanceof CallError && error.code === Code.DataLoss;
}

/** What was loaded is given also where it cannot be stored. */
function unlessLoss(error: unknown): undefined {
  if (isLoss(error)) throw error;
}

/** Undefined for an entry that says that there is nothing. */
function contentOf({
  found,
  value,
  contentType,
}: Pick<GetResponse, 'found' | 'value' | 'contentType'>): Uint8Array | undefined {
  return found && !isAbsent({ contentType }) ? value : undefined;
}
