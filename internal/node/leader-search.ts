/**
 * A fenced master asks the other nodes every two seconds which one leads now, so
 * that it can follow that node by itself; if none leads, it may lead again.
 */
import { termOf } from '#model/position.ts';
import { adviceFor } from '#node/advice.ts';
import { type Asked, askNodes, findLeader, type OwnHistory } from '#node/ask-replicas.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { Self } from '#node/self.ts';

const SEARCH_MS = 2_000;

export interface LeaderSearchParts {
  readonly options: Pick<NodeOptions, 'clock' | 'dialer' | 'logger'>;
  readonly self: () => Self;
  readonly own: () => OwnHistory;
  /** Addresses of all nodes that may lead, or have seen who does. */
  readonly others: () => readonly string[];
  /** Another node leads this log in a higher term. */
  readonly onLeader: (address: string, term: number) => void;
  /** Nobody leads, according to those that answered. */
  readonly onNoLeader: (asked: readonly Asked[]) => void;
  /** `advice`: which command helps; empty if none is needed. */
  readonly onAdvice: (advice: string) => void;
  readonly signal: AbortSignal;
}

export class LeaderSearch {
  readonly #parts: LeaderSearchParts;
  /** Time of the last search, monotonic. */
  #searchedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: LeaderSearchParts) {
    this.#parts = parts;
  }

  /** Asks if two seconds have passed since the last time. */
  async tick(): Promise<void> {
    const nowMs = this.#parts.options.clock.monotonicMs();
    if (nowMs - this.#searchedMs < SEARCH_MS) return;
    this.#searchedMs = nowMs;
    await this.#search();
  }

  async #search(): Promise<void> {
    const { self, own, others, onLeader, onNoLeader, onAdvice, signal } = this.#parts;
    const history = own();
    const asked = await this.#ask(others());
    const leader = await findLeader(asked, history, (hints) => this.#ask(hints));
    if (signal.aborted) return;
    if (leader === undefined) onNoLeader(asked);
    else onLeader(leader.address, termOf(leader.status.position.epoch));
    onAdvice(adviceFor(self(), asked));
  }

  #ask(addresses: readonly string[]): Promise<Asked[]> {
    const { dialer, logger } = this.#parts.options;
    return askNodes(dialer, addresses, logger, this.#parts.signal);
  }
}
