/**
 * Nodes that belong to this master by its own list and have another history: this
 * may be the wrong master of the two, with a directory that was emptied by mistake.
 * They are asked for their history, so that Status names it and the promotion that
 * helps.
 */
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import { type Absent, describeAbsent } from '#node/absent-replicas.ts';
import { describeOthers, holdsOther } from '#node/advice.ts';
import { type Asked, askNodes } from '#node/ask-replicas.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { Self } from '#node/self.ts';

/** Between two rounds if the nodes to ask have changed. */
const CHANGED_MS = 1_000;
/** Between two rounds of the same nodes: doubles from the first to the second. Where one gave no answer it begins with `CHANGED_MS`. */
const SAME_MS_MIN = 15_000;
const SAME_MS_MAX = 25_000;
/** Most addresses asked in one round. */
const ASKED_MAX = 64;

export interface OtherHistoriesParts {
  readonly options: NodeOptions;
  /** All replicas that are registered. */
  readonly replicas: () => readonly ReplicaStatus[];
  /** Nodes that are known and do not follow. */
  readonly absent: () => readonly Absent[];
  readonly self: () => Self;
  readonly signal: AbortSignal;
}

export class OtherHistories {
  readonly #parts: OtherHistoriesParts;
  #asked: readonly Asked[] = [];
  /**
   * The addresses of the last round, its time (monotonic), and how long the same
   * addresses are not asked again.
   */
  #round = { of: '', atMs: Number.NEGATIVE_INFINITY, sameMs: SAME_MS_MIN };
  #asking: Promise<void> | undefined;

  constructor(parts: OtherHistoriesParts) {
    this.#parts = parts;
  }

  /** Asks if it is time to. Does not wait for the answers. */
  tick(): void {
    const { options } = this.#parts;
    const nowMs = options.clock.monotonicMs();
    if (this.#asking !== undefined || nowMs - this.#round.atMs < CHANGED_MS) return;
    const due = [...new Set(this.#suspects)].slice(0, ASKED_MAX);
    const of = due.join();
    const isSame = of === this.#round.of;
    if (isSame && nowMs - this.#round.atMs < this.#round.sameMs) return;
    const sinceMs = isSame ? this.#round.sameMs : CHANGED_MS;
    this.#round = { of, atMs: nowMs, sameMs: Math.min(2 * sinceMs, SAME_MS_MAX) };
    this.#asking = this.#ask(due)
      .catch((error: unknown) => options.logger.error({ err: error }, 'other histories were not asked for'))
      .finally(() => {
        this.#asking = undefined;
      });
  }

  /** Resolves when no round is under way. */
  async idle(): Promise<void> {
    await this.#asking;
  }

  /**
   * For Status: these nodes, and nodes that are known and do not follow for another
   * reason, except those that `reasons` names.
   */
  reasonsBeside(reasons: readonly string[]): string[] {
    const { absent, self } = this.#parts;
    const own = self();
    const others = absent().filter(({ address }) => !this.#asked.some((one) => one.address === address));
    const followers = this.#replicasIn('streaming').map(({ acked }) => acked);
    const told = this.#asked.length === 0 ? [] : describeOthers(own, this.#asked, followers);
    return [...told, ...describeAbsent(others, reasons, own)];
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
    if (asked.length === addresses.length) this.#round.sameMs = Math.max(this.#round.sameMs, SAME_MS_MIN);
    const own = self();
    const registered = new Set(this.#replicasIn('quarantined').map(({ address }) => address));
    this.#asked = asked.filter((one) => holdsOther(own, one, registered.has(one.address)));
  }
}
