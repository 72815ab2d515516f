/**
 * One worker's connections in a replay, and its patience: UNAVAILABLE and lost
 * connections are tried again with growing pauses for a bounded time. Every
 * call of a replay may be made twice: a set has the same effect again.
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
  /** From the first failure of a call to the last try. */
  readonly patienceMs: number;
  /** Ends the waiting between tries. */
  readonly interrupted: AbortSignal;
}

/** Whether the same call may do better a little later. */
export function isRetryable(error: unknown): boolean {
  return error instanceof CallError && (error.code === 'lost' || error.code === 'unavailable');
}

export class ReplayCaller {
  readonly #counters: ReplayCounters;
  readonly #policy: RetryPolicy;
  readonly #master: LeanClient;
  readonly #readers: readonly LeanClient[];
  #nextReader: number;

  /** `readers`: where reads go, in turn, beginning with the `first`; the master itself is among them where it reads. */
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

  /** A read; each try goes to the next node in turn. */
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
      // Half of it by chance: many workers must not come back at the same instant.
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
