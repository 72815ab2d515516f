/**
 * Nodes that belong to a master by its own list and hold another history than
 * it: it may be the wrong one of the two, and emptied by mistake. They are asked
 * what they hold, so that its Status says so and names the promotion that helps.
 */
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import { type Absent, describeAbsent } from '#node/absent-replicas.ts';
import { describeOthers, holdsOther } from '#node/advice.ts';
import { type Asked, askNodes } from '#node/ask-replicas.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { Self } from '#node/self.ts';

/** Between two rounds after the nodes to ask changed. */
const CHANGED_MS = 1_000;
/** Between two rounds of the same nodes: doubling from the first to the second. */
const SAME_MS_MIN = 15_000;
const SAME_MS_MAX = 25_000;
/** Addresses asked in one round. */
const ASKED_MAX = 64;

export interface OtherHistoriesParts {
  readonly options: NodeOptions;
  /** Everyone who is registered. */
  readonly replicas: () => readonly ReplicaStatus[];
  /** Those that are known and do not follow. */
  readonly absent: () => readonly Absent[];
  readonly self: () => Self;
  readonly signal: AbortSignal;
}

export class OtherHistories {
  readonly #parts: OtherHistoriesParts;
  #asked: readonly Asked[] = [];
  /** Who was asked last, when (monotonic), and how long the same nodes are not asked again. */
  #round = { of: '', atMs: Number.NEGATIVE_INFINITY, sameMs: SAME_MS_MIN };
  #asking: Promise<void> | undefined;

  constructor(parts: OtherHistoriesParts) {
    this.#parts = parts;
  }

  /** Asks where it is time to. Nobody waits for it. */
  tick(): void {
    const { options } = this.#parts;
    const nowMs = options.clock.monotonicMs();
    if (this.#asking !== undefined || nowMs - this.#round.atMs < CHANGED_MS) return;
    const due = [...new Set(this.#suspects)].slice(0, ASKED_MAX);
    const of = due.join();
    const isSame = of === this.#round.of;
    if (isSame && nowMs - this.#round.atMs < this.#round.sameMs) return;
    const sameMs = isSame ? Math.min(2 * this.#round.sameMs, SAME_MS_MAX) : SAME_MS_MIN;
    this.#round = { of, atMs: nowMs, sameMs };
    this.#asking = this.#ask(due)
      .catch((error: unknown) => options.logger.error({ err: error }, 'other histories were not asked for'))
      .finally(() => {
        this.#asking = undefined;
      });
  }

  /** Resolves when nobody is asked any more. */
  async idle(): Promise<void> {
    await this.#asking;
  }

  /** For Status: these nodes, and those that are known and do not follow for another reason; not what `reasons` tells. */
  reasonsBeside(reasons: readonly string[]): string[] {
    const { absent, self } = this.#parts;
    const others = absent().filter(({ address }) => !this.#asked.some((one) => one.address === address));
    const followers = this.#replicasIn('streaming').map(({ acked }) => acked);
    const told = this.#asked.length === 0 ? [] : describeOthers(self(), this.#asked, followers);
    return [...told, ...describeAbsent(others, reasons)];
  }

  get #suspects(): string[] {
    const answering = this.#parts.absent().filter(({ answers }) => answers);
    return [...this.#replicasIn('quarantined'), ...answering].map(({ address }) => address);
  }

  #replicasIn(state: NodeState): ReplicaStatus[] {
    return this.#parts.replicas().filter((one) => one.state === state);
  }

  async #ask(addresses: readonly string[]): Promise<void> {
    const { options, self, signal } = this.#parts;
    const asked = await askNodes(options.dialer, addresses, options.logger, signal);
    const own = self();
    this.#asked = asked.filter((one) => holdsOther(own, one));
  }
}
