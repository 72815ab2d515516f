/**
 * The connections of one worker of a replay. Calls that fail with UNAVAILABLE or a lost
 * connection are repeated with growing pauses for a bounded time. Every call of a replay
 * may be made twice, because a repeated set has the same effect.
 */

import type { DescMethodUnary, MessageShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { LeanClient } from '../call/lean-client.ts';
import { persist, type RetryPolicy } from '../call/persist.ts';
import type { ReplayCounters } from './replay-report.ts';

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
      return await persist(attempt, this.#policy, () => this.#counters.retries++);
    } finally {
      this.#counters.recordLatency(performance.now() - startMs);
    }
  }
}
