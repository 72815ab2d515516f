/** CONFIG: limits, and the offset of the log clock, from here on, on every node, also after a promotion. */
import { PayloadReader } from '#engine/records/payload-reader.ts';
import { RecordError, type RecordKind } from '#engine/records/record-kind.ts';
import { VERSION, writeUint64 } from '#engine/records/record-layout.ts';
import type { EvictionPolicy, StoreLimits } from '#model/entry.ts';

/** By their numbers in a record. */
const POLICIES: readonly EvictionPolicy[] = ['lru', 'none'];
const CONFIG_BYTES = 18;
const VERSION_WITH_OFFSET = 2;

export interface LoggedConfig {
  readonly limits: StoreLimits;
  /** What is to be added to the log clock to have wall time, milliseconds; may be negative. */
  readonly wallOffsetMs: number;
}

/** The payload; of the first version where no offset is stated, which every release reads. */
export function encodeConfig({ limits, wallOffsetMs }: LoggedConfig): Buffer {
  const payload = Buffer.alloc(wallOffsetMs === 0 ? CONFIG_BYTES : CONFIG_BYTES + 8);
  payload[0] = wallOffsetMs === 0 ? VERSION : VERSION_WITH_OFFSET;
  payload[1] = POLICIES.indexOf(limits.policy);
  writeUint64(payload, limits.entriesMax, 2);
  writeUint64(payload, limits.bytesMax, 10);
  if (wallOffsetMs !== 0) payload.writeBigInt64LE(BigInt(wallOffsetMs), CONFIG_BYTES);
  return payload;
}

/** Throws `RecordError`. */
export function decodeConfig(payload: Uint8Array): LoggedConfig {
  const reader = PayloadReader.of(payload);
  const version = reader.version(VERSION_WITH_OFFSET);
  const policy = POLICIES[reader.uint8()];
  if (policy === undefined) throw new RecordError('unknown eviction policy');
  const entriesMax = reader.uint64();
  const bytesMax = reader.uint64();
  const wallOffsetMs = version === VERSION ? 0 : reader.int64();
  reader.end();
  return { limits: { entriesMax, bytesMax, policy }, wallOffsetMs };
}

/** The two versions differ in how they are written only. */
export const CONFIG_V1: RecordKind = {
  beginsEpoch: false,
  check(frame) {
    decodeConfig(frame.payload);
  },
  mutations(frame) {
    decodeConfig(frame.payload);
    return [];
  },
  apply(frame, { store, logClock }) {
    const { limits, wallOffsetMs } = decodeConfig(frame.payload);
    store.setLimits(limits);
    logClock.state(wallOffsetMs);
  },
  /** The clock is the group's, however late its entries are shown. */
  hold(frame, { logClock }) {
    logClock.state(decodeConfig(frame.payload).wallOffsetMs);
  },
  describe(frame) {
    return { ...decodeConfig(frame.payload) };
  },
};
export const CONFIG_V2 = CONFIG_V1;
