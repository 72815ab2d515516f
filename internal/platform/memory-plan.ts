/**
 * What this process's memory is for: entries get what everything else leaves.
 * Pure. Measured in cgroups of 192 to 400 MiB under parallel Sets of 100 B to 8 MB with
 * replicas and checkpoints; `bin/launch.cjs` derives V8's heap limit from the
 * same figures.
 */
const MIB = 1_024 * 1_024;

/** Entries get at most this share, however much there is: the rest is for the system and its page cache. */
const STORE_SHARE_MAX = 0.6;
/** The program: Node, compiled code, what lives in the heap, the launcher beside it. */
const PROGRAM_BYTES = 104 * MIB;
/** What a counted byte of an entry may cost: chunks that are dead in part, index, spare buffers. */
const BYTES_PER_STORE_BYTE = 1.1;
/** A body as it arrives and in one piece, the record made of it, the batch it is written with, and what is garbage of those. */
const COPIES_OF_BODY = 6;
const SCARCE_BYTES = 1_024 * MIB;
/** Entries get no less, whether it fits or not. */
const STORE_BYTES_MIN = 8 * MIB;
/** With less than this nothing fits. */
export const MEMORY_BYTES_MIN = 192 * MIB;

/** All in bytes. */
export interface MemoryPlan {
  /** What the process may use. */
  readonly limitBytes: number;
  readonly programBytes: number;
  /** Calls under way: their bodies, the records made of them, and buffers that are garbage already. */
  readonly callBytes: number;
  /** Of those, bodies as they came: each costs up to six times its bytes until it is on disk. */
  readonly bodyBytes: number;
  /** So little that buffers which are garbage must not gather. */
  readonly isScarce: boolean;
  /** The newest frames, kept for replicas. */
  readonly ringBytes: number;
  /** Entries that change while a snapshot of them waits for the disk. */
  readonly snapshotBytes: number;
  /** What is left for entries, by default and at most: `storage.max_memory`. */
  readonly storeBytes: number;
}

export function planMemory(limitBytes: number): MemoryPlan {
  const callBytes = clamp(limitBytes / 8, 48 * MIB, 3_072 * MIB);
  const ringBytes = clamp(limitBytes / 16, 2 * MIB, 32 * MIB);
  const snapshotBytes = clamp(limitBytes / 16, 8 * MIB, 64 * MIB);
  const leftBytes = limitBytes - PROGRAM_BYTES - callBytes - ringBytes - snapshotBytes;
  const bytes = Math.min(limitBytes * STORE_SHARE_MAX, leftBytes / BYTES_PER_STORE_BYTE);
  const storeBytes = Math.max(STORE_BYTES_MIN, wholeMebibytes(bytes));
  const bodyBytes = wholeMebibytes(callBytes / COPIES_OF_BODY);
  const isScarce = limitBytes < SCARCE_BYTES;
  return {
    limitBytes,
    programBytes: PROGRAM_BYTES,
    callBytes,
    bodyBytes,
    isScarce,
    ringBytes,
    snapshotBytes,
    storeBytes,
  };
}

/**
 * What is wrong with that much for entries, and what to do; undefined where it
 * fits. No key is blamed for what the plan itself chose.
 */
export function whyNoRoom(plan: MemoryPlan, storeBytes: number): string | undefined {
  const otherBytes = plan.programBytes + plan.callBytes + plan.ringBytes + plan.snapshotBytes;
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

function clamp(value: number, min: number, max: number): number {
  return wholeMebibytes(Math.min(Math.max(value, min), max));
}

/** In whole mebibytes, so that it reads well. */
function wholeMebibytes(bytes: number): number {
  return Math.floor(bytes / MIB) * MIB;
}

function showMebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
