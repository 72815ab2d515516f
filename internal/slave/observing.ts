/**
 * Follows a master without taking calls: asks for one push after the other, and treats
 * each as if it had been pushed here. The next one is asked for when the last is in the
 * log, so the master never has more than one under way.
 */
import type { ReplicateAnswer } from '#model/replication.ts';
import type { FollowerParts } from '#slave/follower-parts.ts';
import type { PushIntake } from '#slave/push-intake.ts';
import { EMPTY_TAIL } from '#slave/receiver.ts';

/** A master answers within a second. */
const CALL_TIMEOUT_MS = 3_000;

export class Observing {
  readonly #parts: FollowerParts;
  readonly #intake: PushIntake;

  constructor(parts: FollowerParts, intake: PushIntake) {
    this.#parts = parts;
    this.#intake = intake;
  }

  /**
   * Resolves when the replica must register again: a push was refused here, or the state is
   * in doubt. Rejects where the master gives none.
   */
  async run(takeHotKeys: () => string[]): Promise<void> {
    const { state, check, signal } = this.#parts;
    let answer = this.#intake.answer({ kind: 'ok' });
    while (state.current === 'streaming' && check.remedy === 'none' && !signal.aborted) {
      answer = await this.#intake.take(await this.#ask({ ...answer, hotKeys: takeHotKeys() }));
      if (answer.verdict.kind !== 'ok') return;
    }
  }

  #ask(answer: ReplicateAnswer) {
    const { options, upstream, incarnation, signal } = this.#parts;
    const { manifest, engine } = options.host;
    const { nodeId, logId } = manifest;
    const tail = engine?.log.tail ?? EMPTY_TAIL;
    return upstream.link.observe(
      { nodeId, incarnation, logId, tail, answer },
      { timeoutMs: CALL_TIMEOUT_MS, signal },
    );
  }
}
