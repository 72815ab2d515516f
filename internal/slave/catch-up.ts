/**
 * Registers with the master and does what its answer asks for, until this
 * replica is level with it or quarantined: pulls from its log, installs its
 * snapshot, or cuts back to the common history (docs/replication.md, rules 1 to 3).
 */

import type { DivergedFrom } from '#engine/diverged-from.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { counted } from '#model/counted.ts';
import { WalnutError } from '#model/errors.ts';
import { FORMAT_LEVEL } from '#model/formats.ts';
import { termOf } from '#model/position.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import { cutBack } from '#slave/cut-back.ts';
import { conflictOf, describeQuarantine } from '#slave/describe-quarantine.ts';
import { divergedBecause, type FollowerParts, noteLevel } from '#slave/follower-parts.ts';
import { OBSERVER_PULL_BYTES_MAX, PULL_BYTES_MAX, Puller } from '#slave/puller.ts';
import { EMPTY_TAIL } from '#slave/receiver.ts';

export class CatchUp {
  readonly #parts: FollowerParts;
  readonly #puller: Puller;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    const { options, state, upstream, receiver, linkState } = parts;
    this.#puller = new Puller({
      link: () => upstream.link,
      receiver,
      knownTerm: () => options.host.manifest.term,
      clock: options.clock,
      bytesMax: options.observer === undefined ? PULL_BYTES_MAX : OBSERVER_PULL_BYTES_MAX,
      onHeard: (lsn) => linkState.heard(lsn, options.clock.monotonicMs()),
      onBehind: (records) => state.set('catching_up', `${counted(records, 'record')} behind`),
    });
  }

  /** Resolves when this replica is level or quarantined. Rejects where the master cannot be reached or refuses. */
  async run(): Promise<void> {
    let isSettled = false;
    while (!isSettled) isSettled = await this.#follow(await this.#register());
  }

  async #register(): Promise<RegisterAnswer> {
    const { options, incarnation, state, upstream, linkState, receiver, check } = this.#parts;
    const { host } = options;
    const { fullResyncReason } = check;
    if (host.engine === undefined && host.manifest.logId !== '' && fullResyncReason === '') {
      // A resync failed after it had closed the old engine: the directory still contains a log, so open that.
      await receiver.exclusive(() => host.open());
      options.onChange();
    }
    const { nodeId, logId, term, member } = host.manifest;
    const answer = await upstream.register({
      nodeId,
      incarnation,
      advertise: options.advertise,
      logId,
      tail: host.engine?.log.tail ?? EMPTY_TAIL,
      upstreamPath: [nodeId],
      fullResyncReason,
      applyDelayMs: host.options.applyDelayMs ?? 0,
      term,
      formatLevel: FORMAT_LEVEL,
      memberNode: member?.node,
      isObserver: options.observer === undefined ? undefined : true,
    });
    linkState.registered(answer.latest.lsn, state.masterNodeId !== answer.masterNodeId);
    linkState.saidAtMs(answer.logClockMs);
    state.masterNodeId = answer.masterNodeId;
    return answer;
  }

  /** Does what the master's answer asks for. Returns false where the replica must register again after it. */
  async #follow(answer: RegisterAnswer): Promise<boolean> {
    const { options, state } = this.#parts;
    const { host } = options;
    const isForeign = host.manifest.logId !== '' && answer.logId !== host.manifest.logId;
    // Terms of different logs cannot be compared.
    if (!isForeign && answer.term < host.manifest.term) {
      const why = `its term ${answer.term} is over: this node saw ${host.manifest.term}`;
      throw new WalnutError('failed_precondition', why);
    }
    const isConflict = isForeign || answer.verdict.kind === 'conflict';
    if (state.quarantine !== undefined) await this.#reconsider(answer, isConflict);
    if (state.isQuarantined) return true;
    if (isConflict) return this.#resolveConflict(answer, isForeign);
    await host.raiseTerm(answer.term);
    if (answer.verdict.kind === 'snapshot') {
      await this.#fullResync(answer, answer.verdict.reason);
      return false;
    }
    await this.#pullUntilLevel(answer);
    return true;
  }

  /** Ends a quarantine where the master's log contains everything that is here; else describes it anew. */
  async #reconsider(answer: RegisterAnswer, isConflict: boolean): Promise<void> {
    const { options, state, upstream } = this.#parts;
    state.isReconsidering = false;
    if (isConflict) {
      await this.#quarantine(answer, conflictOf(answer));
      return;
    }
    const { host, logger } = options;
    logger.warn({ master: upstream.address }, 'quarantine ended: this master has every record of this node');
    await amendManifest(host.directory, { quarantine: null });
    state.set('catching_up', 'the master has every record of this node');
  }

  /** Cuts back to the common history where the master's term is higher; quarantines otherwise. */
  async #resolveConflict(answer: RegisterAnswer, isForeign: boolean): Promise<boolean> {
    const { options, receiver, check } = this.#parts;
    const { host, logger } = options;
    const engine = host.engine;
    const reason = conflictOf(answer);
    const ourTail = engine?.log.tail ?? EMPTY_TAIL;
    if (isForeign || engine === undefined || answer.term <= termOf(ourTail.epoch)) {
      await this.#quarantine(answer, reason);
      return true;
    }
    const why = divergedBecause(this.#parts, reason);
    const left = await cutBack({ host, receiver, logger }, engine, answer, why);
    if (left !== undefined) await this.#fullResync(answer, reason, left);
    else check.cut();
    options.onChange();
    return false;
  }

  async #quarantine(answer: RegisterAnswer, reason: string): Promise<void> {
    const { options, state, linkState } = this.#parts;
    const { host, logger } = options;
    const here = { logId: host.manifest.logId, tail: host.engine?.log.tail };
    const quarantine = describeQuarantine(answer, here, divergedBecause(this.#parts, reason));
    await amendManifest(host.directory, { quarantine });
    logger.error({ quarantine }, 'quarantined: the local data is kept; see: walnut quarantine list');
    state.set('quarantined', `quarantined: ${reason}`);
    linkState.lost();
  }

  async #fullResync(answer: RegisterAnswer, reason: string, diverged?: DivergedFrom): Promise<void> {
    const { options, upstream, resync, check } = this.#parts;
    await resync.run(upstream.link, answer, reason, diverged);
    check.resynced();
    options.onChange();
  }

  async #pullUntilLevel(answer: RegisterAnswer): Promise<void> {
    const { options, state, receiver, signal } = this.#parts;
    const { host } = options;
    if (host.engine === undefined) {
      await receiver.exclusive(() => host.adopt(answer.logId, answer.term));
      options.onChange();
    }
    const { engine } = host;
    if (engine !== undefined) {
      engine.logClock.follow(answer.logClockMs);
      state.isPulling = true;
      try {
        noteLevel(this.#parts, await this.#puller.pullUntilLevel(engine, answer.term, signal));
      } finally {
        state.isPulling = false;
      }
      state.set('streaming', '');
    }
    // Only after the pull: records that the master had at this time may have been missing here.
    host.delayed?.noteClock(answer.logClockMs);
  }
}
