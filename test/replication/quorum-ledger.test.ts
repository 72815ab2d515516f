import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { QuorumLedger, quorumLsn } from '#replication/quorum-ledger.ts';
import type { LoggedMembers } from '#storage/logged-members.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const lsn = (value: number): Lsn => value as Lsn;
const membersOf = (...nodes: string[]): LoggedMembers => ({
  voters: nodes.map((node) => ({ node, incarnation: 1 })),
  learners: [],
  quorum: Math.floor(nodes.length / 2) + 1,
});

describe('the record that has reached QUORUM', () => {
  it.each<[string, number[], number, number, number]>([
    ['one voter: its own disk', [9], 9, 1, 9],
    ['three: the second newest', [9, 7, 3], 9, 1, 7],
    ['five: the third newest', [9, 8, 7, 1, 0], 9, 1, 7],
    ['the master itself lacks what others have', [5, 9, 9], 5, 1, 5],
    ['the EPOCH record is on one disk only', [9, 7, 7], 9, 8, 0],
    ['the EPOCH record is the last on a majority', [9, 8, 7], 9, 8, 8],
    ['nobody else has anything', [9, 0, 0], 9, 1, 0],
  ])('%s', (_, disks, own, epoch, expected) => {
    const members = membersOf(...disks.map((_, i) => `n${i}`));
    const durable = ({ node }: { node: string }): Lsn => lsn(disks[Number(node.slice(1))] ?? 0);
    expect(quorumLsn({ members, durable, ownLsn: lsn(own), epochLsn: lsn(epoch) })).toBe(expected);
  });

  it('is none without a member list, and before the epoch began', () => {
    const view = { durable: () => lsn(9), ownLsn: lsn(9) };
    expect(quorumLsn({ ...view, members: undefined, epochLsn: lsn(1) })).toBe(0);
    expect(quorumLsn({ ...view, members: membersOf('a'), epochLsn: undefined })).toBe(0);
  });
});

class Rig {
  readonly clock = new VirtualClock();
  durable = 10;
  members = membersOf('a', 'b', 'c');
  readonly ledger = new QuorumLedger({
    clock: this.clock,
    self: () => ({ node: 'a', incarnation: 1 }),
    members: () => this.members,
    durableLsn: () => lsn(this.durable),
    epochLsn: () => lsn(1),
  });
  readonly done: string[] = [];

  wait(name: string, at: number, timeoutMs = 1_000, signal?: AbortSignal): void {
    void this.ledger.wait(lsn(at), timeoutMs, signal).then(() => this.done.push(name));
  }
}

describe('the ledger', () => {
  it('counts this disk under its own incarnation only: the list may be of an earlier life', () => {
    const rig = new Rig();
    rig.members = { ...membersOf('a'), voters: [{ node: 'a', incarnation: 7 }] };
    rig.ledger.advance();
    expect(rig.ledger.lsn).toBe(0);
    rig.members = membersOf('a');
    rig.ledger.advance();
    expect(rig.ledger.lsn).toBe(10);
  });

  it('tells those who wait in the order of their records, and no one early', async () => {
    const rig = new Rig();
    rig.wait('9', 9);
    rig.wait('5', 5);
    rig.wait('7', 7);
    rig.ledger.ack({ node: 'b', incarnation: 1 }, lsn(4));
    await rig.clock.advance(0);
    expect(rig.done).toEqual([]);
    rig.ledger.ack({ node: 'b', incarnation: 1 }, lsn(8));
    await rig.clock.advance(0);
    expect(rig.done).toEqual(['5', '7']);
    expect(rig.ledger.lsn).toBe(8);
    rig.ledger.ack({ node: 'c', incarnation: 1 }, lsn(9));
    await rig.clock.advance(0);
    expect(rig.done).toEqual(['5', '7', '9']);
    expect(rig.ledger.hasWaiters).toBe(false);
  });

  it('counts no other incarnation and no stranger, and forgets what another incarnation said', async () => {
    const rig = new Rig();
    rig.ledger.ack({ node: 'b', incarnation: 2 }, lsn(9));
    rig.ledger.ack({ node: 'stranger', incarnation: 1 }, lsn(9));
    expect(rig.ledger.lsn).toBe(0);
    rig.ledger.ack({ node: 'b', incarnation: 1 }, lsn(3));
    expect(rig.ledger.lsn).toBe(3);
  });

  it('ends a wait after its time and at an abort, and never falls', async () => {
    const rig = new Rig();
    const abort = new AbortController();
    rig.wait('late', 9, 200);
    rig.wait('given up', 9, 60_000, abort.signal);
    await rig.clock.advance(300);
    expect(rig.done).toEqual(['late']);
    abort.abort();
    await rig.clock.advance(100);
    expect(rig.done).toEqual(['late', 'given up']);
    rig.ledger.ack({ node: 'b', incarnation: 1 }, lsn(6));
    rig.members = membersOf('a', 'c', 'd');
    rig.ledger.advance();
    expect(rig.ledger.lsn).toBe(6);
  });
});
