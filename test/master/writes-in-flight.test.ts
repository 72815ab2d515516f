/** The rows of writes in flight against a Map, through growth, wrapping, colliding hashes and refusals. */
import { describe, expect, it } from 'vitest';
import { PayloadWriter } from '#engine/records/payload-writer.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import { RecordInFlight } from '#master/record-in-flight.ts';
import { DELETED, NO_ROW, WritesInFlight } from '#master/writes-in-flight.ts';
import type { Lsn } from '#model/position.ts';
import { KeyBytes } from '#storage/key-bytes.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

const NO_KEEPER = { settle: () => {} };

interface Known {
  readonly record: RecordInFlight;
  readonly place: number;
  readonly cost: number;
}

class Rig {
  readonly random: SeededRandom;
  readonly writes = new WritesInFlight();
  readonly writer = new PayloadWriter();
  readonly key: KeyBytes;
  readonly keys: string[];
  /** In the order of acceptance. */
  readonly newest = new Map<string, Known>();
  readonly records: RecordInFlight[] = [];
  lsn = 0;

  constructor(seed: number, keys: number, hashMask: number) {
    this.random = new SeededRandom(seed);
    this.key = new KeyBytes(seed, hashMask);
    this.keys = Array.from({ length: keys }, (_, i) => `key ${i}`);
  }

  accept(mutations: number): void {
    const { writer, writes, key, random } = this;
    writer.begin();
    const record = new RecordInFlight({ epoch: 1, lsn: ++this.lsn as Lsn }, writer, NO_KEEPER);
    for (let i = 0; i < mutations; i++) {
      const text = random.pick(this.keys);
      key.load(text);
      const isDelete = random.chance(0.3);
      const value = Buffer.from(`${text} of ${this.lsn}.${i}`);
      const place = isDelete
        ? writer.delete(key, 'client')
        : writer.set(key, value, 0, value.length, i, 'client');
      const cost = isDelete ? DELETED : value.length;
      writes.add(key, record, place, cost);
      this.newest.delete(text);
      this.newest.set(text, { record, place, cost });
      if (!isDelete) expect(Buffer.from(record.entryAt(place).value).equals(value)).toBe(true);
    }
    const header = {
      lsn: this.lsn as Lsn,
      epoch: 1,
      prevCrc: 0,
      type: RECORD_TYPE.data,
      flags: 0,
      timestampMs: 1,
    };
    record.build(writer.toFrame(header));
    this.records.push(record);
  }

  settle(): void {
    const record = this.records.shift();
    if (record === undefined) return;
    this.writes.settle(record);
    record.settle();
    for (const [text, known] of this.newest) if (known.record === record) this.newest.delete(text);
  }

  check(): void {
    const { writes, key } = this;
    for (const text of this.keys) {
      key.load(text);
      const row = writes.find(key);
      const known = this.newest.get(text);
      expect(row === NO_ROW).toBe(known === undefined);
      if (known === undefined) continue;
      expect(writes.recordAt(row)).toBe(known.record);
      expect(writes.placeAt(row)).toBe(known.place);
      expect(writes.costAt(row)).toBe(known.cost);
      expect(known.record.keyAt(known.place)).toBe(text);
    }
    const other = this.random.pick(this.keys);
    const oldest = [...this.newest].find(([text, { cost }]) => cost !== DELETED && text !== other);
    const row = writes.oldest((text) => text === other);
    expect(row === NO_ROW ? undefined : writes.recordAt(row).keyAt(writes.placeAt(row))).toBe(oldest?.[0]);
    expect(writes.isEmpty).toBe(this.records.length === 0);
  }
}

describe('writes in flight', () => {
  it.each([
    ['few keys', 5, -1],
    ['many keys', 3_000, -1],
    ['colliding hashes', 40, 0x3],
    ['hashes that meet at the end of the table', 60, ~0 << 3],
  ])('name the newest mutation of each key: %s', (_, keys, hashMask) => {
    for (let seed = 1; seed <= 8; seed++) {
      const rig = new Rig(seed, keys, hashMask);
      for (let step = 0; step < 60; step++) {
        if (rig.random.chance(0.6)) rig.accept(rig.random.between(1, rig.random.chance(0.1) ? 900 : 20));
        else rig.settle();
        if (rig.random.chance(0.03)) {
          rig.writes.clear();
          rig.newest.clear();
          rig.records.length = 0;
        }
        if (step % 7 === 0 || keys < 100) rig.check();
      }
      while (rig.records.length > 0) rig.settle();
      rig.check();
    }
  });

  it('keep the bytes of a record no longer than it is in flight', () => {
    const rig = new Rig(1, 3, -1);
    rig.accept(2);
    const [record] = rig.records;
    expect(record?.isOpen).toBe(true);
    rig.settle();
    expect(record?.isOpen).toBe(false);
  });
});
