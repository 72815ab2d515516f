/**
 * Computes the changes that bring a prefix of a running master back to an earlier state, by
 * comparing that state with a Scan of the current one. Each change carries the version that
 * was seen, so that it is applied only if the entry has not changed since.
 */
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { isExpired, movedDeadline, NEVER } from '#model/entry.ts';
import { isSamePosition, type Lsn } from '#model/position.ts';
import type { Store } from '#storage/store.ts';
import { type Interruptible, longCall, type NodeClients } from '../call/connection.ts';

/** The version in its wire form. */
export type SeenVersion = NonNullable<Entry['version']>;

export interface RestoreSet {
  readonly op: 'set';
  readonly key: string;
  /** Undefined: the key is missing now. */
  readonly seen: SeenVersion | undefined;
  readonly value: Uint8Array<ArrayBuffer>;
  readonly expireAtMs: number;
  /** Empty: there was none. */
  readonly contentType: string;
}

export interface RestoreDelete {
  readonly op: 'delete';
  readonly key: string;
  readonly seen: SeenVersion;
}

export type Change = RestoreSet | RestoreDelete;

export interface Diff {
  readonly changes: readonly Change[];
  /** The number of keys with equal content, whichever record wrote them. */
  readonly same: number;
}

const PAGE = 1_000;
/** How far the log clock may be slewed while keys are compared. */
const SLEW_MS_MAX = 1_000;
const NOTHING = new Uint8Array(0);
/** Marks an entry of the earlier state as found in the scan. No record has this LSN. */
const MET = { epoch: 0, lsn: 0 as never };

/** The log clock of the running master, and the offset that it adds to logged deadlines in its answers. */
export interface LiveClock {
  readonly nowMs: number;
  readonly shiftMs: number;
}

/**
 * Consumes `then`. Entries that have expired by the master's log clock count as missing,
 * because they cannot be restored. Throws the errors of the node.
 */
export async function diffWithLive(
  then: Store,
  kv: NodeClients['kv'],
  prefix: string,
  clock: LiveClock,
  io: Interruptible,
): Promise<Diff> {
  const changes = new Map<string, Change>();
  let same = 0;
  for (let cursor = ''; ; ) {
    const page = await kv.scan({ prefix, cursor, limit: PAGE }, longCall(io));
    for (const entry of page.entries) {
      // A scan may return a key that is written meanwhile twice. The first version counts.
      const change = compareOne(then, entry, clock);
      if (change === 'same') same++;
      else if (change !== 'met') changes.set(entry.key, change);
    }
    cursor = page.nextCursor;
    if (cursor === '') break;
  }
  for (const change of missingNow(then, prefix, clock.nowMs)) changes.set(change.key, change);
  return { changes: [...changes.values()], same };
}

function compareOne(then: Store, now: Entry, { nowMs, shiftMs }: LiveClock): Change | 'same' | 'met' {
  const { key, version } = now;
  if (version === undefined) throw new Error(`the node gave no version of ${JSON.stringify(key)}`);
  const was = then.peek(key);
  if (was?.version.lsn === MET.lsn) return 'met';
  if (was === undefined || isExpired(was.expireAtMs, nowMs)) return { op: 'delete', key, seen: version };
  const { expireAtMs, contentType = '' } = was;
  const nowExpireAtMs = movedDeadline(Number(now.expireAtMs), -shiftMs);
  const at = { epoch: Number(version.epoch), lsn: Number(version.lsn) as Lsn };
  // One version is one value, whose deadline a Touch may have changed. The log clock may be slewed meanwhile.
  const isSame = isSamePosition(was.version, at)
    ? isNear(expireAtMs, nowExpireAtMs)
    : expireAtMs === nowExpireAtMs &&
      contentType === now.contentType &&
      Buffer.compare(was.value, now.value) === 0;
  const value = Uint8Array.from(was.value);
  const change: Change = { op: 'set', key, seen: version, value, expireAtMs, contentType };
  then.apply({ op: 'set', key, value: NOTHING, expireAtMs: 0, cause: 'restored' }, MET);
  return isSame ? 'same' : change;
}

/** True if two deadlines are one, as far as a clock that is slewed can tell. */
function isNear(one: number, other: number): boolean {
  return (one === NEVER) === (other === NEVER) && Math.abs(one - other) <= SLEW_MS_MAX;
}

function* missingNow(then: Store, prefix: string, nowMs: number): Generator<RestoreSet> {
  for (let cursor = ''; ; ) {
    const page = then.scan({ prefix, cursor, limit: PAGE, keysOnly: false }, nowMs);
    for (const { key, value, expireAtMs, version, contentType = '' } of page.entries) {
      if (version.lsn === MET.lsn) continue;
      yield { op: 'set', key, seen: undefined, value: Uint8Array.from(value), expireAtMs, contentType };
    }
    cursor = page.nextCursor;
    if (cursor === '') return;
  }
}

/** A change that was not made, and why. */
export interface Unmade {
  readonly key: string;
  readonly why: string;
  readonly isConflict: boolean;
}

export interface Outcome {
  applied: number;
  readonly unmade: Unmade[];
}

/** Changes in one request; the server takes 1,000. */
const CHANGES_PER_CALL = 500;
/** Bytes of keys and values in one request, unless one change alone is larger. */
const BYTES_PER_CALL = 1 << 20;
const CHANGE_OVERHEAD_BYTES = 64;

/** Splits changes into requests of bounded size, in order. Pure. */
export function chunkChanges(changes: readonly Change[]): Change[][] {
  const chunks: Change[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const change of changes) {
    const more =
      change.key.length * 3 +
      (change.op === 'set' ? change.value.length + change.contentType.length : 0) +
      CHANGE_OVERHEAD_BYTES;
    const last = chunks.at(-1);
    if (last === undefined || bytes + more > BYTES_PER_CALL || last.length === CHANGES_PER_CALL) {
      chunks.push([change]);
      bytes = more;
    } else {
      last.push(change);
      bytes += more;
    }
  }
  return chunks;
}
