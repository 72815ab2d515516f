/** Records that are written around a large value where it is, instead of copying it. */
import { describe, expect, it } from 'vitest';
import type { PayloadWriter } from '#engine/records/payload-writer.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { Mutation } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { allocateWithRoom, giveRoom } from '#platform/roomy-bytes.ts';
import { payloadOf, writeAll } from '#test/engine/payload-of.ts';
import { type Frame, type FrameHeader, isPayloadIntact } from '#wal/frame.ts';

const HEADER: FrameHeader = {
  lsn: 1 as Lsn,
  epoch: 1,
  prevCrc: 0,
  type: RECORD_TYPE.data,
  flags: 0,
  timestampMs: 1,
};
const VICTIMS: Mutation[] = ['one', 'two'].map((key) => ({ op: 'delete', key, cause: 'evicted' }));
const LONG_KEY = 'k'.repeat(1_024);
const BYTES = 100_000;

/** The same bytes, with room or without. */
function bytesOf(beforeBytes: number | undefined): Buffer {
  const value = beforeBytes === undefined ? Buffer.alloc(BYTES) : allocateWithRoom(BYTES, beforeBytes, 512);
  for (let i = 0; i < BYTES; i++) value[i] = i * 7;
  return beforeBytes === undefined ? value : giveRoom(value);
}

function setOf(value: Buffer, changes: object = {}): Mutation {
  return { op: 'set', key: 'key', value, expireAtMs: 9, cause: 'client', ...changes };
}

function frameOf(mutations: readonly Mutation[], finish: (writer: PayloadWriter) => void = () => {}): Frame {
  const writer = payloadOf(mutations);
  finish(writer);
  return writer.toFrame(HEADER);
}

describe('a record around a value with room', () => {
  it.each([
    ['alone', [], {}],
    ['behind its victims', VICTIMS, {}],
    ['with a content type', VICTIMS, { contentType: 'text/plain' }],
    ['with the longest key and type', VICTIMS, { key: LONG_KEY, contentType: 'x'.repeat(255) }],
  ])('is the bytes of one that was copied: %s', (_, before, changes) => {
    const [roomy, plain] = [bytesOf(4_096), bytesOf(undefined)];
    const frame = frameOf([...before, setOf(roomy, changes)]);
    expect(frame.bytes).toEqual(frameOf([...before, setOf(plain, changes)]).bytes);
    expect(frame.buffer.buffer).toBe(roomy.buffer);
    expect([roomy.equals(plain), isPayloadIntact(frame)]).toEqual([true, true]);
  });

  it('has what stands behind the value, too', () => {
    const behind = [...VICTIMS, setOf(bytesOf(undefined), { key: 'other' })];
    const frame = frameOf([setOf(bytesOf(4_096)), ...behind]);
    expect(frame.bytes).toEqual(frameOf([setOf(bytesOf(undefined)), ...behind]).bytes);
  });

  it('has the name of its write in the room behind the value', () => {
    const name = (writer: PayloadWriter): void =>
      writer.name({
        name: { kind: 'request', requestId: 'r'.repeat(64) },
        checksum: 1,
        results: [{ applied: true, isUnmet: false }],
      });
    const roomy = bytesOf(4_096);
    const frame = frameOf([setOf(roomy)], name);
    expect(frame.bytes).toEqual(frameOf([setOf(bytesOf(undefined))], name).bytes);
    expect(frame.buffer.buffer).toBe(roomy.buffer);
  });

  it('is copied where the room is too little', () => {
    const roomy = bytesOf(60);
    const frame = frameOf([...VICTIMS, setOf(roomy)]);
    expect(frame.bytes).toEqual(frameOf([...VICTIMS, setOf(bytesOf(undefined))]).bytes);
    expect(frame.buffer.buffer).not.toBe(roomy.buffer);
  });

  it('leaves the value alone when the writer begins another record, taken as a frame or not', () => {
    for (const isTaken of [true, false]) {
      const roomy = bytesOf(4_096);
      const writer = payloadOf([setOf(roomy)]);
      const frame = isTaken ? writer.toFrame(HEADER) : undefined;
      writer.begin();
      writeAll([setOf(Buffer.alloc(BYTES, 'x'))], writer);
      writer.toFrame(HEADER);
      expect(roomy.equals(bytesOf(undefined))).toBe(true);
      if (frame !== undefined) expect(isPayloadIntact(frame)).toBe(true);
    }
  });

  it('takes the room once: a second record copies the value', () => {
    const roomy = bytesOf(4_096);
    const first = frameOf([setOf(roomy)]);
    const second = frameOf([setOf(roomy, { key: 'another' })]);
    expect(second.buffer.buffer).not.toBe(roomy.buffer);
    expect([isPayloadIntact(first), isPayloadIntact(second)]).toEqual([true, true]);
  });
});
