/** CONFIG: limits, and the offset of the log clock, from here on, on every node, also after a promotion. */
import { asRecordError } from '#engine/records/block-errors.ts';
import { PayloadReader } from '#engine/records/payload-reader.ts';
import { RecordError, type RecordKind } from '#engine/records/record-kind.ts';
import { VERSION } from '#engine/records/record-layout.ts';
import type { EvictionPolicy } from '#model/entry.ts';
import { asBuffer, writeUint53 } from '#platform/bytes.ts';
import { decodeConfigV2, encodeConfigV2, type LoggedConfig, needsConfigV2 } from '#storage/logged-config.ts';
import type { Frame } from '#wal/frame.ts';

/** By their numbers in version 1. */
const POLICIES: readonly EvictionPolicy[] = ['lru', 'none'];
const CONFIG_BYTES = 18;

/** The payload, of version 1 if that can state it: every release reads it. */
export function encodeConfig(config: LoggedConfig): Buffer {
  if (needsConfigV2(config)) return encodeConfigV2(config);
  const payload = Buffer.alloc(CONFIG_BYTES);
  payload[0] = VERSION;
  payload[1] = POLICIES.indexOf(config.limits.policy);
  writeUint53(payload, config.limits.entriesMax, 2);
  writeUint53(payload, config.limits.bytesMax, 10);
  return payload;
}

/** Decodes a payload of either version. Throws `RecordError`, and `NewerFormatError` for what this program does not know. */
export function decodeConfig(payload: Uint8Array): LoggedConfig {
  return payload[0] === VERSION ? decodeV1(payload) : decodeV2(payload);
}

function decodeV1(payload: Uint8Array): LoggedConfig {
  const reader = PayloadReader.of(payload);
  reader.version();
  const policy = POLICIES[reader.uint8()];
  if (policy === undefined) throw new RecordError('unknown eviction policy');
  const entriesMax = reader.uint64();
  const bytesMax = reader.uint64();
  reader.end();
  return { limits: { entriesMax, bytesMax, policy }, wallOffsetMs: 0 };
}

function decodeV2(payload: Uint8Array): LoggedConfig {
  try {
    return decodeConfigV2(asBuffer(payload), 0, payload.length);
  } catch (error) {
    throw asRecordError(error);
  }
}

function configKind(level: number, decode: (payload: Uint8Array) => LoggedConfig): RecordKind {
  const decoded = (frame: Frame): LoggedConfig => decode(frame.payload);
  return {
    level,
    beginsEpoch: false,
    check(frame) {
      decoded(frame);
    },
    mutations(frame) {
      decoded(frame);
      return [];
    },
    walk() {
      return undefined;
    },
    apply(frame, { store, logClock }) {
      const { limits, wallOffsetMs } = decoded(frame);
      store.setLimits(limits);
      logClock.state(wallOffsetMs);
    },
    /** The clock is the group's, however late its entries are shown. */
    hold(frame, { logClock }) {
      logClock.state(decoded(frame).wallOffsetMs);
    },
    describe(frame) {
      return { ...decoded(frame) };
    },
  };
}

export const CONFIG_V1 = configKind(0, decodeV1);
export const CONFIG_V2 = configKind(1, decodeV2);
