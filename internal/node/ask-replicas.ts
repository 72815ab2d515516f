/**
 * Before a master serves writes it asks the replicas it knows whether any of
 * them has seen more than it has (design: replication rule 8): a higher term,
 * or records of its own log beyond its tail. Those it could only lose.
 */
import type { Position } from '#model/position.ts';
import { formatPosition, termOf } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Logger } from '#platform/logger.ts';
import type { PeerDialer } from '#replication/peer-link.ts';

export const ASK_TIMEOUT_MS = 3_000;

export interface OwnHistory {
  readonly logId: string;
  readonly position: Position;
}

export interface Verdict {
  /** Why this master may not take writes; undefined: nothing speaks against it. */
  readonly objection: string | undefined;
  /** The highest term that a node of this log is in; 0 where none answered. */
  readonly term: number;
}

/** Who does not answer in time has no say. */
export async function askReplicas(
  dialer: PeerDialer,
  addresses: readonly string[],
  own: OwnHistory,
  logger: Logger,
  signal: AbortSignal,
): Promise<Verdict> {
  let term = 0;
  const objections = await Promise.all(
    addresses.map(async (address) => {
      const link = dialer.dial(address);
      try {
        const status = await link.status({ timeoutMs: ASK_TIMEOUT_MS, signal });
        if (status.logId === own.logId) term = Math.max(term, termOf(status.position.epoch));
        return judge(address, status, own);
      } catch (error) {
        logger.info(
          { replica: address, why: error instanceof Error ? error.message : error },
          'replica not asked',
        );
        return undefined;
      } finally {
        link.close();
      }
    }),
  );
  return { objection: objections.find((objection) => objection !== undefined), term };
}

/** Pure: what a replica's status says against this master. */
export function judge(address: string, status: NodeStatus, own: OwnHistory): string | undefined {
  if (status.logId !== own.logId) return undefined;
  const theirs = formatPosition(status.position);
  const ours = formatPosition(own.position);
  if (termOf(status.position.epoch) > termOf(own.position.epoch)) {
    return `replica ${address} is at ${theirs}, a higher term than this master's ${ours}`;
  }
  if (status.position.lsn > own.position.lsn) {
    return `replica ${address} is at ${theirs}, ahead of this master's ${ours}: its data would be lost`;
  }
  return undefined;
}
