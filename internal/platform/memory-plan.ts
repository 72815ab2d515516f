/**
 * Divides this process's memory: entries get what everything else leaves. Pure. The
 * figures were measured in cgroups of 192 to 400 MiB under parallel Sets of 100 B to
 * 8 MB with replicas and checkpoints. `bin/launch.cjs` derives V8's heap limit from
 * the same figures.
 */
const MIB = 1_024 * 1_024;

/** The largest share for entries; the rest is for the system and its page cache. */
const STORE_SHARE_MAX = 0.6;
/** Memory of the program: Node, compiled code, live objects on the heap, and the launcher. */
const PROGRAM_BYTES = 104 * MIB;
/** Memory per byte of an entry's cost: partly dead chunks, index and spare buffers come on top. */
const BYTES_PER_STORE_BYTE = 1.1;
/** Copies of a body: as received, in one piece, in its record, in the written batch, and garbage of those. */
const COPIES_OF_BODY = 6;
/** The share of `callBytes` for answers that wait to be read. */
const ANSWERS_SHARE = 1 / 6;
const ANSWER_BYTES_MAX = 256 * MIB;
const SCARCE_BYTES = 1_024 * MIB;
/** Entries get at least this, even if it does not fit. */
const STORE_BYTES_MIN = 8 * MIB;
/** With less memory than this, no plan fits. */
export const MEMORY_BYTES_MIN = 192 * MIB;

/** The plan; all figures are bytes. */
export interface MemoryPlan {
  /** How much the process may use. */
  readonly limitBytes: number;
  readonly programBytes: number;
  /**
   * For calls under way: their bodies, their records, their answers, and buffers that are garbage
   * already. Connections that wait may take as much, and are bounded by it, each at its worst.
   */
  readonly callBytes: number;
  /** The limit, within `callBytes`, for answers over HTTP/2 that wait for their peers to read. */
  readonly answerBytes: number;
  /** The limit for received bodies within `callBytes`: each takes up to six times its size until it is on disk. */
  readonly bodyBytes: number;
  /** True if memory is so small that garbage buffers must not accumulate. */
  readonly isScarce: boolean;
  /** For the ring: the newest frames, which replicas read. */
  readonly ringBytes: number;
  /** For pre-images of entries that change while a snapshot waits for the disk. */
  readonly snapshotBytes: number;
  /** For changes that wait for watchers. */
  readonly watchBytes: number;
  /** The rest, for entries: default and recommended maximum of `storage.max_memory`. */
  readonly storeBytes: number;
}

export function planMemory(limitBytes: number): MemoryPlan {
  const callBytes = clamp(limitBytes / 8, 48 * MIB, 3_072 * MIB);
  const ringBytes = clamp(limitBytes / 16, 2 * MIB, 32 * MIB);
  const snapshotBytes = clamp(limitBytes / 16, 8 * MIB, 64 * MIB);
  const watchBytes = clamp(limitBytes / 64, 2 * MIB, 64 * MIB);
  const leftBytes = limitBytes - PROGRAM_BYTES - callBytes - ringBytes - snapshotBytes - watchBytes;
  const bytes = Math.min(limitBytes * STORE_SHARE_MAX, leftBytes / BYTES_PER_STORE_BYTE);
  const storeBytes = Math.max(STORE_BYTES_MIN, wholeMebibytes(bytes));
  const answerBytes = wholeMebibytes(Math.min(callBytes * ANSWERS_SHARE, ANSWER_BYTES_MAX));
  const bodyBytes = wholeMebibytes((callBytes - answerBytes) / COPIES_OF_BODY);
  const isScarce = limitBytes < SCARCE_BYTES;
  return {
    limitBytes,
    programBytes: PROGRAM_BYTES,
    callBytes,
    answerBytes,
    bodyBytes,
    isScarce,
    ringBytes,
    snapshotBytes,
    watchBytes,
    storeBytes,
  };
}

/**
 * Why `storeBytes` for entries does not fit, and what to do; undefined if it fits. The
 * message names `storage.max_memory` only if its value is not the plan's own.
 */
export function whyNoRoom(plan: MemoryPlan, storeBytes: number): string | undefined {
  const { programBytes, callBytes, ringBytes, snapshotBytes, watchBytes } = plan;
  const otherBytes = programBytes + callBytes + ringBytes + snapshotBytes + watchBytes;
  const neededBytes = otherBytes + storeBytes * BYTES_PER_STORE_BYTE;
  if (neededBytes <= plan.limitBytes) return undefined;
  const has = `this process may use ${showMebibytes(plan.limitBytes)}`;
  if (plan.limitBytes < MEMORY_BYTES_MIN || storeBytes === plan.storeBytes) {
    return `${has}, and Walnut needs at least ${showMebibytes(MEMORY_BYTES_MIN)}: under load it may be killed. Raise the limit of its cgroup or container`;
  }
  return (
    `${has}; storage.max_memory of ${showMebibytes(storeBytes)} and what it needs besides come to ` +
    `${showMebibytes(neededBytes)}: under load it may be killed. Lower storage.max_memory to ` +
    `${plan.storeBytes / MIB}MiB, or raise the limit`
  );
}

/** The same of a process without a store, where up to `heldBytes` of calls may wait. */
export function whyNoRoomToServe(plan: MemoryPlan, heldBytes: number): string | undefined {
  const { limitBytes, programBytes, callBytes } = plan;
  const neededBytes = programBytes + callBytes + heldBytes;
  if (neededBytes <= limitBytes) return undefined;
  const lower = heldBytes === 0 ? '' : 'lower gateway.held_bytes, or ';
  return (
    `this process may use ${showMebibytes(limitBytes)}, and needs ${showMebibytes(neededBytes)}: under load ` +
    `it may be killed; ${lower}raise the limit of its cgroup or container`
  );
}

function clamp(value: number, min: number, max: number): number {
  return wholeMebibytes(Math.min(Math.max(value, min), max));
}

/** Rounds down to whole mebibytes, so that messages show round figures. */
function wholeMebibytes(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}

function showMebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
