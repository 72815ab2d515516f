/**
 * Follows a master without taking calls: asks for one push after the other, and treats
 * each as if it had been pushed here. The next one is asked for when the last is in the
 * log, so the master never has more than one under way.
 */
import type { ReplicateAnswer, ReplicateRequest } from '#model/replication.ts';
import type { CallOptions } from '#replication/peer-link.ts';
import type { FollowerParts } from '#slave/follower-parts.ts';
import type { PushIntake } from '#slave/push-intake.ts';
import { EMPTY_TAIL } from '#slave/receiver.ts';

/** A master answers within a second. */
const CALL_TIMEOUT_MS = 3_000;
/** A master that does not answer forgets the observer by itself. */
const LEAVE_TIMEOUT_MS = 300;

export class Observing {
  readonly #parts: FollowerParts;
  readonly #intake: PushIntake;

  readonly #takeHotKeys: () => string[];

  constructor(parts: FollowerParts, intake: PushIntake, takeHotKeys: () => string[]) {
    this.#parts = parts;
    this.#intake = intake;
    this.#takeHotKeys = takeHotKeys;
  }

  /**
   * Resolves when the replica must register again: a push was refused here, or the state is
   * in doubt. Rejects where the master gives none.
   */
  async run(): Promise<void> {
    const { state, check, signal } = this.#parts;
    let answer = this.#intake.answer({ kind: 'ok' });
    while (state.current === 'streaming' && check.remedy === 'none' && !signal.aborted) {
      answer = await this.#intake.take(
        await this.#ask({ ...answer, hotKeys: this.#takeHotKeys() }, { timeoutMs: CALL_TIMEOUT_MS, signal }),
      );
      if (answer.verdict.kind !== 'ok') return;
    }
  }

  /** Says that this observer ends, so that the master need not wait for it. Resolves also where nobody hears it. */
  async leave(): Promise<void> {
    const answer = this.#intake.answer({ kind: 'ok' });
    await this.#ask(answer, { timeoutMs: LEAVE_TIMEOUT_MS }, true).catch(() => undefined);
  }

  #ask(answer: ReplicateAnswer, limits: CallOptions, isLeaving = false): Promise<ReplicateRequest> {
    const { options, upstream, incarnation } = this.#parts;
    const { manifest, engine } = options.host;
    const { nodeId, logId } = manifest;
    const tail = engine?.log.tail ?? EMPTY_TAIL;
    return upstream.link.observe({ nodeId, incarnation, logId, tail, answer, isLeaving }, limits);
  }
}
