/** The node as the other nodes of its group see it. */

import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import type { ReplicationPort } from '#model/ports.ts';
import type {
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  SnapshotChunk,
  SnapshotRequest,
} from '#model/replication.ts';
import type { Admission } from '#node/doors/admission.ts';
import type { SnapshotSource } from '#node/snapshot-source.ts';

export class ReplicationDoor implements ReplicationPort {
  readonly #admission: Admission;
  readonly #snapshots: () => SnapshotSource;

  /** `snapshots`: called on a node that has a role. */
  constructor(admission: Admission, snapshots: () => SnapshotSource) {
    this.#admission = admission;
    this.#snapshots = snapshots;
  }

  register(request: RegisterRequest, remoteAddress: string, retired?: AbortSignal): Promise<RegisterAnswer> {
    return this.#admission.master('take replicas').register(request, remoteAddress, retired);
  }

  async replicate(request: ReplicateRequest): Promise<ReplicateAnswer> {
    const role = this.#admission.requireRole();
    if (role.kind === 'replica') return role.replicate(request);
    return role.refusePush(request);
  }

  async observe(
    request: ObserveRequest,
    remoteAddress: string,
    signal: AbortSignal,
  ): Promise<ReplicateRequest> {
    return this.#admission.master('push to observers').observe(request, remoteAddress, signal);
  }

  async *fetchSnapshot(request: SnapshotRequest, signal: AbortSignal): AsyncGenerator<SnapshotChunk> {
    this.#admission.requireRole();
    yield* this.#snapshots().chunks(request, signal);
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#admission.leadership().claim(request);
  }

  announce(request: AnnounceRequest, remoteAddress: string): Promise<AnnounceAnswer> {
    return this.#admission.leadership().announce(request, remoteAddress);
  }

  takeOver(request: TakeOverRequest): Promise<TakeOverAnswer> {
    return this.#admission.leadership().takeOver(request);
  }
}
