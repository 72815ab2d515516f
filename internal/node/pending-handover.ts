/** A failover whose outcome this node does not know, as MANIFEST has it. */
import type { ChainPoint } from '#model/replication.ts';
import type { Manifest } from '#wal/manifest.ts';

/** The node that was told to lead, in which term, from which record. */
export interface PendingHandover {
  readonly to: string;
  /** Absent: committed by version 0.1. */
  readonly nodeId?: string;
  readonly term: number;
  readonly tail: ChainPoint;
}

export function pendingHandoverOf({ handover }: Pick<Manifest, 'handover'>): PendingHandover | undefined {
  return handover as PendingHandover | undefined;
}
