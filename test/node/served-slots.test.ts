/** Which keys a node serves, by its log and by the maps that it has heard. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Group, ShardMap, SlotRange } from '#cluster/shard-map.ts';
import { SLOTS, type SlotRun } from '#model/slots.ts';
import { ServedSlots } from '#node/served-slots.ts';
import type { LoggedOwnership } from '#storage/logged-ownership.ts';
import type { MemberPlace } from '#wal/manifest.ts';

/** In slots 5061 and 12182. */
const [BAR, FOO] = ['bar', 'foo'];
const LOW: SlotRun = { first: 0, last: 8_191 };
const HIGH: SlotRun = { first: 8_192, last: SLOTS - 1 };
const ALL: SlotRun = { first: 0, last: SLOTS - 1 };

let logged: LoggedOwnership | undefined;
let place: MemberPlace | undefined;
let served: ServedSlots;

beforeEach(() => {
  logged = undefined;
  place = { cluster: 'test', node: 'a', clusterId: 'cc', group: 'g1', mapEpoch: 3 };
  served = new ServedSlots({ logged: () => logged, place: () => place });
});

const owning = (...owned: SlotRun[]): LoggedOwnership => ({ mapEpoch: 3, owned });

function map(epoch: number, ...slots: SlotRange[]): ShardMap {
  const leader = { node: 'b', incarnation: 1, tail: { epoch: 0, lsn: 0 } };
  const group = { id: 'g2', logId: 'l', voters: [], term: 1, leader } as unknown as Group;
  const node = { name: 'b', address: 'b:8080', zone: '', status: 'active' } as const;
  return { clusterId: 'cc', epoch, groups: new Map([['g2', group]]), slots, nodes: new Map([['b', node]]) };
}

const HALVES: [SlotRange, SlotRange] = [
  { ...LOW, group: 'g1' },
  { ...HIGH, group: 'g2' },
];

function refusal(key: string): unknown {
  try {
    served.check(key);
    return undefined;
  } catch (error) {
    return error;
  }
}

const bytesServed = (key: string): boolean => served.serves(Buffer.from(`{${key}`), 1, 1 + key.length);

describe('a node of a plain group', () => {
  it.each([
    ['without a place', undefined],
    ['that waits for its group', { cluster: 'test', node: 'a', clusterId: '', group: '' }],
  ])('%s serves every key', (_, where) => {
    place = where;
    expect([served.isWhole, refusal(FOO), refusal(BAR)]).toEqual([true, undefined, undefined]);
  });

  it('that was restored from a group of a cluster serves what its log owns', () => {
    place = undefined;
    logged = owning(LOW);
    expect(refusal(BAR)).toBeUndefined();
    expect(refusal(FOO)).toMatchObject({
      code: 'shard_moved',
      details: { shard: { group: '', address: '' } },
    });
  });
});

describe('a member', () => {
  it('serves nothing before its log says what its group owns', () => {
    served.hear(map(4, { ...ALL, group: 'g1' }));
    expect(served.isWhole).toBe(false);
    expect(refusal(BAR)).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    expect(bytesServed(BAR)).toBe(false);
  });

  it('whose group owns all slots works out none', () => {
    logged = owning(ALL);
    served.hear(map(4, { ...ALL, group: 'g1' }));
    expect(served.isWhole).toBe(true);
  });

  it('serves the slots of its group, as strings and as bytes, and names the owner of others', () => {
    logged = owning(LOW);
    served.hear(map(7, ...HALVES));
    expect([served.isWhole, refusal(BAR), bytesServed(BAR), bytesServed(FOO)]).toEqual([
      false,
      undefined,
      true,
      false,
    ]);
    const shard = { slot: 12_182, group: 'g2', address: 'b:8080', mapEpoch: 7 };
    expect(refusal(FOO)).toMatchObject({ code: 'shard_moved', details: { shard, nothingDone: true } });
    expect(String(refusal(FOO))).toContain('slot 12182 of the key belongs to g2, whose master is at b:8080');
  });

  it('does not know the owner before it has heard a map', () => {
    logged = owning(LOW);
    expect(refusal(FOO)).toMatchObject({
      code: 'shard_moved',
      details: { shard: { slot: 12_182, group: '', address: '', mapEpoch: 3 } },
    });
  });

  it('refuses a key that its log owns and a map gives to another group, until a newer one gives it back', () => {
    logged = owning(ALL);
    served.hear(map(7, ...HALVES));
    expect(refusal(FOO)).toMatchObject({ code: 'shard_moved' });
    expect(refusal(BAR)).toBeUndefined();
    served.hear(map(8, { ...ALL, group: 'g1' }));
    expect([served.isWhole, refusal(FOO)]).toEqual([true, undefined]);
  });

  it('refuses a key that a map gives to its group and its log does not own, without sending anybody in a circle', () => {
    logged = owning(LOW);
    served.hear(map(7, { ...ALL, group: 'g1' }));
    expect(refusal(FOO)).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
  });

  it.each([
    ['an older one than it has heard', map(6, { ...ALL, group: 'g2' })],
    ['one of another cluster', { ...map(9, { ...ALL, group: 'g2' }), clusterId: 'dd' }],
  ])('does not heed %s', (_, other) => {
    logged = owning(LOW);
    served.hear(map(7, ...HALVES));
    served.hear(other);
    expect([served.map?.epoch, refusal(BAR)]).toEqual([7, undefined]);
  });

  it('does not heed a map that is older than its directory knows', () => {
    logged = owning(LOW);
    served.hear(map(2, { ...ALL, group: 'g2' }));
    expect([served.map, refusal(BAR)]).toEqual([undefined, undefined]);
  });

  it('follows its log: an owner that is logged later counts at once', () => {
    logged = owning(LOW);
    expect(refusal(FOO)).toBeDefined();
    logged = owning(ALL);
    expect(refusal(FOO)).toBeUndefined();
  });
});
