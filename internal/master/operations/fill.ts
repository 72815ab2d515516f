/**
 * A Get that asks for a fill lease: judged by the newest accepted state, and answered
 * when that state is visible, as writes are.
 */
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { WritePath } from '#master/write-path.ts';
import type { FillAnswer, FillWish, GetAnswer, GetCommand } from '#model/commands.ts';
import { type Entry, isDue, isExpired } from '#model/entry.ts';
import { checkCaller, unavailable } from '#model/errors.ts';

export interface JudgedFill {
  readonly live: Entry | undefined;
  readonly fill: FillAnswer | undefined;
  /** The record in flight that this depends on; undefined if it depends on none. */
  readonly record: RecordInFlight | undefined;
}

/**
 * Waits for the lease of another, as long as the caller may wait. `checkRole`: called after
 * each wait, throws if this node is no master any more that takes writes.
 */
export async function runFill(
  path: WritePath,
  { key, waitMs }: GetCommand,
  wish: FillWish,
  checkRole: () => void,
  signal: AbortSignal | undefined,
): Promise<GetAnswer> {
  const { leases } = path.accepted;
  const endMs = path.monotonicMs + waitMs;
  // The store counts the hit or miss, and notes the access.
  path.engine.store.get(key, path.engine.logClock.nowMs());
  for (;;) {
    const judged = judgeFill(path, key, wish, path.engine.logClock.nowMs());
    const leftMs = endMs - path.monotonicMs;
    if (judged.fill?.kind !== 'wait' || leftMs <= 0) return whenVisible(path, judged);
    const end = await leases.wait(key, leftMs, signal);
    checkCaller(signal);
    if (end === 'lost')
      throw unavailable('this master stops, or hands its role over: its leases are gone', leases.leaderHint);
    checkRole();
    if (end === 'full') return whenVisible(path, judged);
    if (end === 'dropped') return whenVisible(path, { ...judged, fill: { kind: 'wait', waitMs: 1 } });
  }
}

/** Gives the lease if the key is missing, or due to be refreshed, and nobody has it. */
export function judgeFill(path: WritePath, key: string, wish: FillWish, nowMs: number): JudgedFill {
  const { leases } = path.accepted;
  const { entry, record } = path.accepted.lookup(key);
  const live = entry === undefined || isExpired(entry.expireAtMs, nowMs) ? undefined : entry;
  if (live !== undefined && !isDue(live.expireAtMs, nowMs, wish.refreshBeforeMs))
    return { live, fill: undefined, record };
  const leftMs = leases.leftMs(key);
  if (leftMs === undefined) {
    const token = leases.grant(key, wish.leaseMs);
    return { live, fill: { kind: 'lease', token, expiresInMs: wish.leaseMs }, record };
  }
  // A caller that gets a value has nothing to wait for.
  return { live, fill: live === undefined ? { kind: 'wait', waitMs: leftMs } : undefined, record };
}

export function toFillAnswer(path: WritePath, { live, fill, record }: JudgedFill): GetAnswer {
  const asOf = record?.position ?? path.engine.position;
  return { entry: live && path.shown(live), asOf, stalenessMs: 0, fill };
}

async function whenVisible(path: WritePath, judged: JudgedFill): Promise<GetAnswer> {
  const answer = toFillAnswer(path, judged);
  await judged.record?.settled;
  return answer;
}
