/** Processes that read through one cache, which has fill leases and may go away. */
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import {
  FillLeaseSchema,
  type GetResponse,
  GetResponseSchema,
  type SetResponse,
  SetResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { text } from '../../client/codecs.ts';
import { givenUp, refusedHere } from '../../client/failures.ts';
import { type FillClient, type Load, Loads } from '../../client/get-or-set.ts';
import { orGivenUp } from '../../client/give-up.ts';
import type { GetOrSetOptions } from '../../client/load-plan.ts';
import { Session } from '../../client/session.ts';

interface Stored {
  readonly value: Uint8Array;
  readonly expireAtMs: number;
  readonly contentType: string;
}

/** A cache with fill leases, as `FillClient` sees it. */
export class LeasingCache implements FillClient {
  readonly clock = new VirtualClock();
  readonly stored = new Map<string, Stored>();
  readonly session = new Session(create(PositionSchema, { epoch: 5n, lsn: 7n }));
  sessionOf: FillClient['sessionOf'] = () => this.session;
  readonly closed = new AbortController().signal;
  reads = 0;
  /** What each read waits for, and each write. */
  whenReadable: (() => Promise<void>) | undefined;
  whenWritable: (() => Promise<void>) | undefined;
  /** What the next writes reject with. */
  readonly failures: Error[] = [];
  readonly #leases = new Map<string, { token: string; untilMs: number }>();
  /** How many were given. */
  leases = 0;

  async get(key: string, options: Parameters<FillClient['get']>[1]): Promise<GetResponse> {
    this.reads++;
    if (this.whenReadable !== undefined) await orGivenUp(this.whenReadable(), options.signal);
    const { fillLeaseMs = 0, waitMs = 0, refreshBeforeMs = 0n, signal } = options;
    const endMs = this.clock.monotonicMs() + waitMs;
    for (;;) {
      const known = this.#find(key);
      const leftMs = known === undefined ? 0 : known.expireAtMs - this.clock.wallMs();
      if (fillLeaseMs === 0 || (known !== undefined && leftMs > Number(refreshBeforeMs)))
        return answer(known);
      const lease = this.#leases.get(key);
      if (lease === undefined || lease.untilMs <= this.clock.monotonicMs()) {
        const token = String(++this.leases);
        this.#leases.set(key, { token, untilMs: this.clock.monotonicMs() + fillLeaseMs });
        return { ...answer(known), fillLease: create(FillLeaseSchema, { token, expiresInMs: fillLeaseMs }) };
      }
      if (known !== undefined) return { ...answer(known), fillWaitMs: 500 };
      if (this.clock.monotonicMs() >= endMs) return { ...answer(undefined), fillWaitMs: 1 };
      await this.clock.sleep(10, signal ?? undefined);
      if (signal?.aborted === true) throw givenUp('not_done');
    }
  }

  async set(key: string, value: Uint8Array, options: Parameters<FillClient['set']>[2]): Promise<SetResponse> {
    const { condition, expiry, contentType = '' } = options;
    await this.whenWritable?.();
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const lease = this.#leases.get(key);
    const isValid = lease !== undefined && lease.untilMs > this.clock.monotonicMs();
    if (!isValid || condition?.value !== lease.token) {
      const current = this.#find(key);
      return create(SetResponseSchema, {
        applied: false,
        ...(current && { current: { value: current.value } }),
      });
    }
    this.write(key, value, expiry?.case === 'ttlMs' ? Number(expiry.value) : 0, contentType);
    return create(SetResponseSchema, { applied: true });
  }

  /** A write of anybody ends the lease. */
  write(key: string, value: Uint8Array, ttlMs: number, contentType = ''): void {
    this.#leases.delete(key);
    if (ttlMs === 0) this.stored.delete(key);
    else this.stored.set(key, { value, expireAtMs: this.clock.wallMs() + ttlMs, contentType });
  }

  #find(key: string): Stored | undefined {
    const known = this.stored.get(key);
    return known !== undefined && known.expireAtMs > this.clock.wallMs() ? known : undefined;
  }
}

function answer(known: Stored | undefined): GetResponse {
  if (known === undefined) return create(GetResponseSchema, {});
  const { value, expireAtMs, contentType } = known;
  return create(GetResponseSchema, { found: true, value, expireAtMs: BigInt(expireAtMs), contentType });
}

export function loadsOf(client: LeasingCache, seed = 1): Loads {
  return new Loads({ client, clock: client.clock, random: new SeededRandom(seed) });
}

/** Processes with one cache, and a loader that takes 100 ms. */
export function fleet(processes: number, results: (string | undefined | Error)[] = []) {
  const cache = new LeasingCache();
  const { clock } = cache;
  const loads = Array.from({ length: processes }, (_, i) => loadsOf(cache, i));
  const counts = { loads: 0, aborted: 0 };
  const load: Load<string> = async (signal) => {
    const number = ++counts.loads;
    await clock.sleep(100, signal);
    if (signal.aborted) counts.aborted++;
    const result = number in results ? results[number] : `v${number}`;
    if (result instanceof Error) throw result;
    return result;
  };
  const getOf = (key: string, process = 0, options: Partial<GetOrSetOptions> = {}) =>
    (loads[process] as Loads).getOrSet(key, load, { ttlMs: 1_000, codec: text(), ...options });
  const get = (process = 0, options: Partial<GetOrSetOptions> = {}) => getOf('k', process, options);
  const settle = async <T>(call: Promise<T>): Promise<T> => {
    let isSettled = false;
    call.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    await clock.settle();
    if (!isSettled) await clock.advanceUntil(() => isSettled, 300_000);
    return call;
  };
  /** What the call gives, and after how long. */
  const timed = async <T>(call: Promise<T>): Promise<[T, number]> => {
    const calledMs = clock.monotonicMs();
    let tookMs = 0;
    const done = call.finally(() => {
      tookMs = clock.monotonicMs() - calledMs;
    });
    return [await settle(done), tookMs];
  };
  return { cache, clock, counts, get, getOf, settle, timed };
}

/** A cache that answers nothing and fails each call after 10 s, as the client does, until it is back. */
export function outage(cache: LeasingCache): { end(): void } {
  const back = new AbortController();
  const whenBack = async (): Promise<void> => {
    await cache.clock.sleep(10_000, back.signal);
    if (!back.signal.aborted) throw refusedHere('no node answers', Code.Unavailable);
  };
  cache.whenReadable = cache.whenWritable = whenBack;
  return {
    end: () => {
      back.abort();
      cache.whenReadable = cache.whenWritable = undefined;
    },
  };
}
