/**
 * The connections of one worker of a replay. Calls that fail with UNAVAILABLE or a lost
 * connection are repeated with growing pauses for a bounded time. Every call of a replay
 * may be made twice, because a repeated set has the same effect.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { CallError } from '../call/call-error.ts';
import { LeanClient } from '../call/lean-client.ts';
import type { ReplayCounters } from './replay-report.ts';

const PAUSE_MS_FIRST = 10;
const PAUSE_MS_MAX = 1_000;

export interface RetryPolicy {
  /** The time from the first failure of a call to the last try. */
  readonly patienceMs: number;
  /** Aborts the pause between tries. */
  readonly interrupted: AbortSignal;
}

/** True if the same call may succeed a little later. */
export function isRetryable(error: unknown): boolean {
  return error instanceof CallError && (error.code === 'lost' || error.code === 'unavailable');
}

export class ReplayCaller {
  readonly #counters: ReplayCounters;
  readonly #policy: RetryPolicy;
  readonly #master: LeanClient;
  readonly #readers: readonly LeanClient[];
  #nextReader: number;

  /** `readers`: the nodes that reads go to in turn, from `first` on. The master is among them if it serves reads. */
  constructor(
    counters: ReplayCounters,
    policy: RetryPolicy,
    master: Endpoint,
    readers: readonly Endpoint[],
    first: number,
  ) {
    this.#counters = counters;
    this.#policy = policy;
    this.#master = new LeanClient(master);
    this.#readers = readers.map((address) => (address === master ? this.#master : new LeanClient(address)));
    this.#nextReader = first;
  }

  /** Makes a read. Each try goes to the next node. */
  read<Method extends DescMethodUnary>(
    method: Method,
    request: MessageShape<Method['input']>,
  ): Promise<MessageShape<Method['output']>> {
    return this.#call(() => {
      const reader = this.#readers[this.#nextReader++ % this.#readers.length] ?? this.#master;
      return reader.call(method, request);
    });
  }

  write<Method extends DescMethodUnary>(
    method: Method,
    request: MessageShape<Method['input']>,
  ): Promise<MessageShape<Method['output']>> {
    return this.#call(() => this.#master.call(method, request));
  }

  close(): void {
    for (const client of new Set([this.#master, ...this.#readers])) client.close();
  }

  async #call<T>(attempt: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    try {
      return await attempt();
    } catch (error) {
      return await this.#retry(attempt, error);
    } finally {
      this.#counters.recordLatency(performance.now() - startMs);
    }
  }

  async #retry<T>(attempt: () => Promise<T>, firstError: unknown): Promise<T> {
    const { patienceMs, interrupted } = this.#policy;
    const deadlineMs = performance.now() + patienceMs;
    let error = firstError;
    for (let pauseMs = PAUSE_MS_FIRST; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      if (!isRetryable(error) || performance.now() >= deadlineMs) throw error;
      // Half of the pause is random, so that many workers do not return at the same time.
      const jitteredMs = pauseMs * (0.5 + Math.random() / 2);
      await delay(jitteredMs, undefined, { signal: interrupted }).catch(() => {});
      if (interrupted.aborted) throw error;
      this.#counters.retries++;
      try {
        return await attempt();
      } catch (next) {
        error = next;
      }
    }
  }
}
