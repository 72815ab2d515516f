/** The node as its operators see it. */

import { noteSeen } from '#engine/aside-pruner.ts';
import { findTail, listDiverged, readDiverged } from '#engine/diverged.ts';
import { manifestOf } from '#engine/manifest-access.ts';
import { orShortage } from '#engine/short-disk.ts';
import type { MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import type { DivergedReport, DivergedSlice } from '#model/diverged.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { HotKeysAnswer, HotKeysCommand, LatestAccess } from '#model/hot-keys.ts';
import type { FailoverAnswer, PromoteAnswer } from '#model/leadership.ts';
import type { AdminPort } from '#model/ports.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { SlotSizesPage } from '#model/slots.ts';
import type {
  CheckpointAnswer,
  DelayAnswer,
  DelayControl,
  NodeStatus,
  Quarantine,
  QuarantineRelease,
  RotateAnswer,
  ScrubProgress,
} from '#model/status.ts';
import { digestAt } from '#node/digest-at.ts';
import type { Admission } from '#node/doors/admission.ts';
import type { KeysDoor } from '#node/doors/keys-door.ts';
import { HotKeyLooks } from '#node/hot-key-looks.ts';
import { mendClock } from '#node/mend-clock.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { slotSizesFrom } from '#node/slot-sizes.ts';

export interface AdminParts {
  readonly admission: Admission;
  readonly keys: KeysDoor;
  readonly options: Pick<NodeOptions, 'clock' | 'logger' | 'fileSystem' | 'member'>;
  readonly status: () => NodeStatus;
  readonly scrub: (signal: AbortSignal) => AsyncGenerator<ScrubProgress>;
}

export class AdminDoor implements AdminPort {
  readonly #parts: AdminParts;
  readonly #admission: Admission;
  readonly #hotKeys: HotKeyLooks;

  constructor(parts: AdminParts) {
    this.#parts = parts;
    this.#admission = parts.admission;
    this.#hotKeys = new HotKeyLooks(() => parts.admission.readable(), parts.options.clock);
  }

  /** Answered at any time, also while the node loads or stops. */
  status(): NodeStatus {
    return this.#parts.status();
  }

  digest(): DigestAnswer {
    const engine = this.#admission.anyState();
    return { position: engine.position, entries: engine.store.entries, digest: engine.store.stateDigest() };
  }

  digestAt(position: Position, waitMs: number, signal?: AbortSignal): Promise<DigestAnswer> {
    const engine = () => this.#admission.anyState();
    return digestAt(engine, this.#parts.options.clock, { position, waitMs, signal });
  }

  async *scrub(signal: AbortSignal): AsyncGenerator<ScrubProgress> {
    this.#admission.anyState();
    yield* this.#parts.scrub(signal);
  }

  addReplica(address: string): Promise<string> {
    this.#checkPlain();
    return this.#admission.master('have replicas').members.add(address);
  }

  removeReplica(address: string): Promise<void> {
    this.#checkPlain();
    return this.#admission.master('have replicas').members.remove(address);
  }

  /** Throws on a node of a cluster, once that has given it a group: the map and the log say which nodes belong there. */
  #checkPlain(): void {
    const { member } = this.#admission.directory().manifest;
    if (member === undefined || member.group === '') return;
    const why = `${member.node} is a member of cluster ${member.cluster}, whose map lists the nodes of its groups`;
    throw new WalnutError('failed_precondition', `${why}: see walnut cluster map`, { nothingDone: true });
  }

  hotKeys(command: HotKeysCommand, signal?: AbortSignal): Promise<HotKeysAnswer> {
    return this.#hotKeys.look(command, signal);
  }

  latestAccess(): LatestAccess | undefined {
    return this.#hotKeys.latest();
  }

  async checkpoint(): Promise<CheckpointAnswer> {
    this.#admission.anyState();
    return orShortage(this.#admission.directory().checkpoint());
  }

  async rotateWal(): Promise<RotateAnswer> {
    return orShortage(this.#admission.anyState().log.rotate());
  }

  quarantineList(): readonly Quarantine[] {
    const role = this.#admission.requireRole();
    const quarantine = role.kind === 'replica' ? role.quarantine : undefined;
    return quarantine === undefined ? [] : [quarantine];
  }

  async quarantineRelease(how: QuarantineRelease): Promise<void> {
    const role = this.#admission.requireRole();
    if (role.kind === 'master') throw new WalnutError('failed_precondition', 'a master is never quarantined');
    await role.release(how);
  }

  async controlDelay(control: DelayControl, signal?: AbortSignal): Promise<DelayAnswer> {
    return this.#admission.directory().controlDelay(control, signal);
  }

  slotSizes(from: number, signal?: AbortSignal): Promise<SlotSizesPage> {
    return slotSizesFrom(() => this.#admission.anyState(), this.#parts.options.clock, from, signal);
  }

  restore(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]> {
    return this.#parts.keys.restore(operations, signal);
  }

  async mendClock(command: MendClockCommand): Promise<MendClockAnswer> {
    const master = this.#admission.master('mend the clock');
    return mendClock(master, this.#admission.anyState(), this.#parts.options.logger, command);
  }

  promote(isForced: boolean): Promise<PromoteAnswer> {
    return this.#admission.leadership().promote(isForced);
  }

  async failover(to: string, timeoutMs: number): Promise<FailoverAnswer> {
    const leadership = this.#admission.leadership();
    leadership.checkPlain('hand over');
    this.#admission.master('hand over');
    return leadership.failover(to, timeoutMs);
  }

  async divergedList(): Promise<DivergedReport[]> {
    const { directory } = this.#admission.directory();
    return listDiverged(this.#parts.options.fileSystem, directory.path, manifestOf(directory));
  }

  async divergedShow(id: number, afterLsn: Lsn, bytesMax: number): Promise<DivergedSlice> {
    const { directory } = this.#admission.directory();
    const tail = findTail(manifestOf(directory), id);
    return readDiverged(this.#parts.options.fileSystem, directory.path, tail, { afterLsn, bytesMax });
  }

  async divergedSeen(id: number): Promise<void> {
    const { directory } = this.#admission.directory();
    findTail(manifestOf(directory), id);
    await orShortage(noteSeen(directory, id, this.#parts.options.clock.wallMs()));
  }
}
