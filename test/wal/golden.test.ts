/**
 * A segment, a manifest and a frame as bytes that never change: what was
 * written once must be read for ever. A difference here is a new format
 * version, not a new golden file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { Lsn } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { encodeFrame, type Frame } from '#wal/frame.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import {
  encodeMark,
  encodeSeal,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  tryDecodeSegmentHeader,
  writeRecordPrefix,
} from '#wal/segment-format.ts';
import { SegmentScanner } from '#wal/segment-scanner.ts';

const HEADER = {
  logId: '00112233445566778899aabbccddeeff',
  seq: 3,
  firstLsn: 1_000 as Lsn,
  epoch: 2 ** 32 + 5,
  lastCrc: 0xdeadbeef,
  salt: 0x5a17c0de,
};

const MANIFEST: Manifest = {
  format: 1,
  logId: HEADER.logId,
  nodeId: 'ffeeddccbbaa99887766554433221100',
  role: 'replica',
  upstream: 'master:8080',
  term: 2,
  snapshot: '00000000000000000999-0000004294967301.snapshot',
  lowestSegment: 3,
  excludedSegments: [[1, 2]],
  replicas: { added: ['10.0.0.7:8081'], removed: [] },
  quarantine: null,
};

function frames(): Frame[] {
  const rows = [
    { type: RECORD_TYPE.epoch, epoch: 2 * 2 ** 32 + 9, payload: Buffer.from([1, 2, 3]) },
    { type: RECORD_TYPE.config, epoch: 2 * 2 ** 32 + 9, payload: Buffer.alloc(0) },
    { type: RECORD_TYPE.data, epoch: 2 * 2 ** 32 + 9, payload: Buffer.from('ключ=значение') },
  ];
  let prevCrc = HEADER.lastCrc;
  return rows.map(({ type, epoch, payload }, i) => {
    const lsn = (HEADER.firstLsn + i) as Lsn;
    const header = { lsn, epoch, prevCrc, type, flags: 0, timestampMs: 1_767_225_600_000 + i };
    const frame = encodeFrame(header, payload.length, (target, offset) => target.set(payload, offset));
    prevCrc = frame.crc;
    return frame;
  });
}

function segment(): Buffer {
  const [first, second, third] = frames() as [Frame, Frame, Frame];
  const record = (frame: Frame, durLag: number): Buffer => {
    const bytes = Buffer.concat([Buffer.alloc(12), frame.bytes]);
    writeRecordPrefix(bytes, 0, HEADER.salt, durLag);
    return bytes;
  };
  return Buffer.concat([
    encodeSegmentHeader(HEADER),
    record(first, 1),
    record(second, 2),
    encodeMark(HEADER.salt, { lastLsn: 1_001, durLag: 0, isCleanStop: true }),
    record(third, 1),
    encodeSeal(HEADER.salt, { lastLsn: 1_002, lastCrc: third.crc, records: 3, durLag: 1 }),
  ]);
}

function golden(name: string): Buffer {
  const text = readFileSync(new URL(`./golden/${name}`, import.meta.url), 'utf8');
  return Buffer.from(text.replace(/\s/g, ''), 'hex');
}

describe('golden files', () => {
  it('a segment is encoded to the same bytes', () => {
    expect(segment().toString('hex')).toBe(golden('segment-v1.hex').toString('hex'));
  });

  it('a segment is decoded to the same items', async () => {
    const bytes = golden('segment-v1.hex');
    expect(tryDecodeSegmentHeader(bytes)).toEqual(HEADER);
    const fileSystem = new MemoryFileSystem();
    fileSystem.put('/segment', bytes);
    const file = await fileSystem.open('/segment', 'read');
    const scanner = new SegmentScanner(file, {
      fromOffset: SEGMENT_HEADER_BYTES,
      endOffset: bytes.length,
      salt: HEADER.salt,
    });
    await scanner.fill();
    const items = Array.from({ length: 6 }, () => scanner.tryNext());
    const [first, second, third] = frames() as [Frame, Frame, Frame];
    const { lsn, epoch, prevCrc, type, flags, timestampMs, crc } = first;
    expect(items).toMatchObject([
      { kind: 'record', durLag: 1, frame: { lsn, epoch, prevCrc, type, flags, timestampMs, crc } },
      { kind: 'record', durLag: 2, frame: { lsn: 1_001, crc: second.crc, type: 3 } },
      { kind: 'mark', mark: { lastLsn: 1_001, durLag: 0, isCleanStop: true } },
      { kind: 'record', durLag: 1, frame: { lsn: 1_002, crc: third.crc } },
      { kind: 'seal', seal: { lastLsn: 1_002, lastCrc: third.crc, records: 3, durLag: 1 } },
      { kind: 'end', offset: bytes.length },
    ]);
  });

  it('a manifest is encoded and decoded the same', () => {
    const bytes = golden('manifest-v1.hex');
    expect(encodeManifest(MANIFEST).toString('hex')).toBe(bytes.toString('hex'));
    expect(tryDecodeManifest(bytes)).toEqual(MANIFEST);
  });

  it('a manifest with any bit flipped is refused', () => {
    const bytes = golden('manifest-v1.hex');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8((damaged[bit >> 3] as number) ^ (1 << (bit & 7)), bit >> 3);
      expect(typeof tryDecodeManifest(damaged), `bit ${bit}`).toBe('string');
    }
  });
});
