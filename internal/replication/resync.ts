/**
 * Decides how a replica catches up. The node that has the records decides, as a
 * pure function of both nodes' histories; each refusal states the values of both.
 */
import type { EpochStart, Lsn } from '#model/position.ts';
import { formatPosition, NO_LSN } from '#model/position.ts';
import type { ChainPoint, ResyncVerdict } from '#model/replication.ts';

export interface MasterHistory {
  readonly logId: string;
  readonly epochs: readonly EpochStart[];
  /** The master's newest durable record. */
  readonly durable: ChainPoint;
  /** The first LSN that the master can send; one after its last record if it has none to send. */
  readonly earliestLsn: Lsn;
  /** The master's record at the LSN of the replica's tail; undefined if neither its log nor its snapshot has that record. */
  readonly atReplicaTail: ChainPoint | undefined;
  /** The last record known to be damaged in the log that is kept for replicas; undefined: none. */
  readonly damagedLsn?: number | undefined;
}

export interface ReplicaHistory {
  /** Empty on a fresh replica. */
  readonly logId: string;
  readonly tail: ChainPoint;
  /** Why the replica asks for a snapshot although its log may suffice; empty: it does not ask. */
  readonly fullResyncReason?: string | undefined;
}

/** Answers a replica that registers (docs/replication.md, rules 1 to 3 and 6). */
export function decideResync(master: MasterHistory, replica: ReplicaHistory): ResyncVerdict {
  const { tail } = replica;
  if (replica.logId !== '' && replica.logId !== master.logId) {
    return {
      kind: 'conflict',
      reason: `the replica has log ${replica.logId}, the master log ${master.logId}`,
    };
  }
  const { damagedLsn } = master;
  const damaged: ResyncVerdict | undefined =
    damagedLsn === undefined || tail.lsn >= damagedLsn
      ? undefined
      : { kind: 'snapshot', reason: `the log after ${formatPosition(tail)} is damaged at ${damagedLsn}` };
  const { fullResyncReason: wanted = '' } = replica;
  if (tail.lsn === NO_LSN) {
    if (wanted !== '') return { kind: 'snapshot', reason: wanted };
    if (damaged !== undefined) return damaged;
    if (master.earliestLsn <= 1) return { kind: 'continue' };
    return { kind: 'snapshot', reason: `the replica is empty and the log begins at ${master.earliestLsn}` };
  }
  if (tail.lsn > master.durable.lsn) {
    return {
      kind: 'conflict',
      reason: `the replica's tail ${formatPosition(tail)} is beyond the master's ${formatPosition(master.durable)}`,
    };
  }
  const ours = master.atReplicaTail;
  if (ours !== undefined && (ours.epoch !== tail.epoch || ours.crc !== tail.crc)) {
    return {
      kind: 'conflict',
      reason: `at LSN ${tail.lsn} the replica has ${describe(tail)}, the master ${describe(ours)}`,
    };
  }
  if (ours === undefined && epochAt(master.epochs, tail.lsn) !== tail.epoch) {
    return {
      kind: 'conflict',
      reason: `the replica's tail ${formatPosition(tail)} has an epoch that the master's history does not have at that LSN`,
    };
  }
  if (wanted !== '') return { kind: 'snapshot', reason: wanted };
  // The master may know the record at the replica's tail and no longer have the records after it.
  if (ours !== undefined && tail.lsn + 1 >= master.earliestLsn) return damaged ?? { kind: 'continue' };
  return {
    kind: 'snapshot',
    reason: `the replica's tail is ${formatPosition(tail)} and the log begins at ${master.earliestLsn}`,
  };
}

function describe(point: ChainPoint): string {
  return `${formatPosition(point)} with crc ${point.crc.toString(16).padStart(8, '0')}`;
}

function epochAt(epochs: readonly EpochStart[], lsn: Lsn): number {
  return epochs.findLast((start) => start.firstLsn <= lsn)?.epoch ?? 0;
}
