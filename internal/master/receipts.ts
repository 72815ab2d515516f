/**
 * What the answer to a write says of durability: the level reached here and the
 * number of replicas that have the record on disk, after the wait that the caller
 * asked for. A wait that times out is no failure; the answer says what was reached.
 */

import type { Engine } from '#engine/engine.ts';
import type { Durability, ReceiptOptions } from '#model/commands.ts';
import { RECEIPT_TIMEOUT_MS_DEFAULT } from '#model/limits.ts';
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import type { QuorumLedger } from '#replication/quorum-ledger.ts';

export interface Receipt {
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
}

/** True if a write asks for more than visibility. */
export function wantsWait(options: ReceiptOptions): boolean {
  const { durability, minAcks } = options;
  return durability === 'local' || durability === 'quorum' || minAcks > 0;
}

/** Pure: whether a record has reached all that was asked of it. */
export function isMet(receipt: Receipt, asked: Pick<ReceiptOptions, 'durability' | 'minAcks'>): boolean {
  if (receipt.replicasAcked < asked.minAcks) return false;
  if (asked.durability === 'quorum') return receipt.durabilityReached === 'quorum';
  return asked.durability !== 'local' || receipt.durabilityReached !== 'accepted';
}

/** How long to wait if the caller asks for `timeoutMs`. */
export function receiptTimeoutMs(timeoutMs: number): number {
  return timeoutMs === 0 ? RECEIPT_TIMEOUT_MS_DEFAULT : timeoutMs;
}

/** What is known now, without waiting. `acks`: undefined on a replica, which has no acks to count. */
export function receiptOf(engine: Engine, acks: AckLedger | undefined, lsn: Lsn): Receipt {
  return {
    durabilityReached: reached(engine, acks?.quorum, lsn),
    replicasAcked: acks?.countAtLeast(lsn) ?? 0,
  };
}

function reached(engine: Engine, quorum: QuorumLedger | undefined, lsn: Lsn): Durability {
  if (quorum !== undefined && quorum.lsn >= lsn) return 'quorum';
  return engine.durableLsn >= lsn ? 'local' : 'accepted';
}

/**
 * Waits for what `options` ask of the record at `lsn`, then returns what was
 * reached. Throws `storage_failed` if the disk failed meanwhile.
 */
export async function awaitReceipt(
  engine: Engine,
  acks: AckLedger | undefined,
  clock: Clock,
  options: Pick<ReceiptOptions, 'durability' | 'minAcks' | 'timeoutMs'>,
  lsn: Lsn,
  signal?: AbortSignal,
): Promise<Receipt> {
  const timeoutMs = receiptTimeoutMs(options.timeoutMs);
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  // Replicas are sent durable records only, so an ack needs the fdatasync here too.
  await engine.waitDurable(lsn, timeoutMs, signal);
  engine.checkDisk();
  if (options.minAcks > 0) await acks?.wait(lsn, options.minAcks, deadlineMs - clock.monotonicMs(), signal);
  if (options.durability === 'quorum') await acks?.waitQuorum(lsn, deadlineMs - clock.monotonicMs(), signal);
  return receiptOf(engine, acks, lsn);
}
