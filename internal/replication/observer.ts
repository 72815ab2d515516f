/** An observer as its master knows it. */
import type { Lsn } from '#model/position.ts';
import type { GroupMembers } from '#model/replication.ts';
import type { HeldCall } from '#replication/held-call.ts';
import type { Registration } from '#replication/registered-replicas.ts';
import type { ReplicaProgress } from '#replication/replica-progress.ts';

export interface Observer {
  readonly nodeId: string;
  address: string;
  readonly registration: Registration;
  readonly progress: ReplicaProgress;
  /** Aborts when the registration ends. */
  readonly gone: AbortController;
  /** Monotonic time before which it gets no further push. */
  nextMs: number;
  /** Monotonic time of its last call. */
  heardMs: number;
  held: HeldCall | undefined;
  toldGroup: GroupMembers | undefined;
  /** The last push: its last record, when it was made, and if nothing more was durable then. */
  sent: { readonly lsn: Lsn; readonly atMs: number; readonly isAll: boolean } | undefined;
}
