/**
 * Takes the pushes and heartbeats of the master: refuses those of another
 * master, log or term, appends the frames, and compares digests.
 */
import type { Engine } from '#engine/engine.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { type Lsn, NO_LSN } from '#model/position.ts';
import type { ReplicateAnswer, ReplicateRequest, ReplicateVerdict } from '#model/replication.ts';
import { checkMeant } from '#replication/ack-owner.ts';
import { type FollowerParts, noteLevel } from '#slave/follower-parts.ts';
import { framesFromPeer } from '#slave/peer-frames.ts';
import { EMPTY_TAIL } from '#slave/receiver.ts';
import type { Frame } from '#wal/frame.ts';
import type { Manifest } from '#wal/manifest.ts';

export class PushIntake {
  readonly #parts: FollowerParts;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /**
   * Answers a push with what is durable and applied here. Throws `not_found`
   * where it names another node, `failed_precondition` where its sender is not
   * the master of this replica, `unavailable` where earlier pushes still wait.
   */
  async take(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const { options, state, rejoin, signal, upstream } = this.#parts;
    const { host } = options;
    if (signal.aborted) throw unavailable('this replica is stopping');
    const { engine, manifest } = host;
    // Terms of different logs cannot be compared.
    if (request.logId === manifest.logId && request.term < manifest.term)
      return this.answer({ kind: 'fenced', term: manifest.term });
    checkMeant(request.replicaNodeId, manifest.nodeId);
    // A conflict would tell another master that its history differs from what is here. Which master gave a quarantine is not known after a start, until this replica registers.
    if (request.masterNodeId !== state.masterNodeId) {
      const why = `this replica is not registered with node ${request.masterNodeId}`;
      throw new WalnutError('failed_precondition', why);
    }
    if (!state.takesPushes) return this.#refuse(engine);
    if (engine === undefined) return this.answer({ kind: 'need', tail: EMPTY_TAIL });
    if (request.logId !== manifest.logId) {
      rejoin.request();
      return this.#refuse(engine);
    }
    const verdict = await this.#append(request);
    // While the frames waited for the disk the replica may have been quarantined.
    if (verdict === undefined) return this.#refuse(host.engine);
    if (request.group !== undefined) await upstream.remember(request.group);
    return this.answer(verdict);
  }

  /** Undefined where the replica stopped taking pushes meanwhile. */
  async #append(request: ReplicateRequest): Promise<ReplicateVerdict | undefined> {
    const { options, state, linkState, receiver } = this.#parts;
    const { host } = options;
    const saidAtMs = linkState.saidAtMs(request.logClockMs);
    const frames = framesFromPeer(request.frames);
    await host.raiseTerm(request.term);
    if (receiver.isBusy) throw unavailable('this replica is behind with earlier pushes');
    const verdict = await receiver.take(request.previous, frames, request.ackWhenDurable, () =>
      // This node may have granted a higher term while the push waited; acks given after that could be lost.
      request.term < host.manifest.term ? { kind: 'fenced', term: host.manifest.term } : undefined,
    );
    if (!state.takesPushes) return undefined;
    this.#noteVerdict(verdict, request, frames, saidAtMs);
    return verdict;
  }

  #noteVerdict(
    verdict: ReplicateVerdict,
    request: ReplicateRequest,
    frames: readonly Frame[],
    saidAtMs: number,
  ): void {
    const { options, state, rejoin, linkState } = this.#parts;
    const { host } = options;
    linkState.heard(request.durableLsn, saidAtMs);
    host.engine?.logClock.follow(request.logClockMs);
    if (verdict.kind === 'conflict') rejoin.request();
    if (verdict.kind !== 'ok') return;
    host.delayed?.noteClock(request.logClockMs);
    this.#compare(frames.at(-1)?.lsn ?? request.previous.lsn, request.digest);
    if ((host.engine?.committedLsn ?? NO_LSN) >= request.durableLsn) noteLevel(this.#parts, saidAtMs);
    // A push that arrives between two pulls does not prove that the replica is level.
    if (!state.isPulling) state.set('streaming', '');
  }

  #compare(lsn: Lsn, stated = ''): void {
    const { options, check, rejoin } = this.#parts;
    const { engine, delayed } = options.host;
    if (engine === undefined) return;
    if (delayed === undefined) check.compare(engine.digests, lsn, stated);
    else check.compareLate(engine, lsn, stated, delayed.delayMs);
    if (check.remedy !== 'none') rejoin.request();
  }

  #refuse(engine: Engine | undefined): ReplicateAnswer {
    return this.answer({ kind: 'conflict', epochs: engine?.epochStarts() ?? [] });
  }

  /** What this replica has, with a verdict. */
  answer(verdict: ReplicateVerdict): ReplicateAnswer {
    const { options, check } = this.#parts;
    const { engine, manifest } = options.host;
    return {
      verdict,
      nodeId: manifest.nodeId,
      durable: engine?.durablePosition ?? EMPTY_TAIL,
      appliedLsn: engine?.applied.lsn ?? NO_LSN,
      digestMismatch: check.mismatch,
      ...memberAck(manifest, this.#parts.resync.isRunning),
    };
  }
}

function memberAck(
  { member, incarnation = 0 }: Manifest,
  isInstalling: boolean,
): Pick<ReplicateAnswer, 'member'> {
  return member === undefined ? {} : { member: { node: member.node, incarnation, isInstalling } };
}
