/** EPOCH: begins a history. The frame carries the new epoch, the payload names the record before it. */
import { PayloadReader } from '#engine/records/payload-reader.ts';
import type { RecordKind } from '#engine/records/record-kind.ts';
import { VERSION } from '#engine/records/record-layout.ts';
import { formatPosition, toLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { writeUint53 } from '#platform/bytes.ts';

const EPOCH_BYTES = 21;

/** The payload: the record before it, all zero for the first. */
export function encodeEpochParent(parent: ChainPoint): Buffer {
  const payload = Buffer.alloc(EPOCH_BYTES);
  payload[0] = VERSION;
  writeUint53(payload, parent.epoch, 1);
  writeUint53(payload, parent.lsn, 9);
  payload.writeUInt32LE(parent.crc, 17);
  return payload;
}

/** Throws `RecordError`. */
export function decodeEpochParent(payload: Uint8Array): ChainPoint {
  const reader = PayloadReader.of(payload);
  reader.version();
  const epoch = reader.uint64();
  const lsn = toLsn(reader.uint64());
  const crc = reader.uint32();
  reader.end();
  return { epoch, lsn, crc };
}

export const EPOCH_V1: RecordKind = {
  level: 0,
  beginsEpoch: true,
  check(frame) {
    decodeEpochParent(frame.payload);
  },
  mutations(frame) {
    decodeEpochParent(frame.payload);
    return [];
  },
  walk() {
    return undefined;
  },
  apply(frame, { epochs }) {
    epochs.add(frame.epoch, frame.lsn);
  },
  hold() {},
  describe(frame) {
    return { parent: formatPosition(decodeEpochParent(frame.payload)) };
  },
};
