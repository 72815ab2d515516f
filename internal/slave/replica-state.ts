/**
 * What a replica is doing now and why, as Status reports it. The parts of the
 * follower share one such state; every change of it is logged.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import type { NodeState, Quarantine } from '#model/status.ts';
import type { Logger } from '#platform/logger.ts';

export class ReplicaState {
  readonly #host: EngineHost;
  readonly #logger: Logger;
  #current: NodeState = 'catching_up';
  #reason = 'not linked to the master yet';
  /** False after an operator released a quarantine with `keep`, until the next start. */
  isFollowing = true;
  /** While the replica pulls, a push that fits does not make it `streaming`. */
  isPulling = false;
  /** A quarantined replica is to register once: the quarantine may end by itself. */
  isReconsidering = false;
  /** The node id of the master it registered with; empty before the first registration. */
  masterNodeId = '';

  constructor(host: EngineHost, logger: Logger) {
    this.#host = host;
    this.#logger = logger;
  }

  get current(): NodeState {
    return this.#current;
  }

  /** Why the replica does not stream; empty while it does. */
  get reason(): string {
    return this.#reason;
  }

  get isQuarantined(): boolean {
    return this.#current === 'quarantined';
  }

  /** True if it takes pushes and follows a master by itself. */
  get takesPushes(): boolean {
    return !this.isQuarantined && this.isFollowing;
  }

  /** The quarantine that MANIFEST records, until it is released or ends. */
  get quarantine(): Quarantine | undefined {
    return (this.#host.manifest.quarantine as Quarantine | null) ?? undefined;
  }

  set(state: NodeState, reason: string): void {
    if (state !== this.#current)
      this.#logger.info({ from: this.#current, to: state, reason }, 'replica state');
    this.#current = state;
    this.#reason = reason;
  }

  /** Changes the reason and keeps the state. */
  explain(reason: string): void {
    this.#reason = reason;
  }
}
