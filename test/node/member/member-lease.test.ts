import { describe, expect, it } from 'vitest';
import type { ClockReading } from '#cluster/lease.ts';
import { MemberLease } from '#node/member/member-lease.ts';
import type { LoggedMembers } from '#storage/logged-members.ts';

const LISTED: LoggedMembers = {
  voters: ['a', 'b', 'c'].map((node) => ({ node, incarnation: 1 })),
  learners: [],
  quorum: 2,
};

class Rig {
  nowMs = 0;
  sleptMs = 0;
  members: LoggedMembers | undefined = LISTED;
  readonly lease: MemberLease;

  constructor(waits = false) {
    this.lease = new MemberLease({
      node: 'a',
      leaseMs: 1_500,
      waits,
      members: () => this.members,
      readClocks: (): ClockReading => ({
        monotonicMs: this.nowMs,
        wallMs: this.nowMs + this.sleptMs,
        uptimeMs: this.nowMs + this.sleptMs,
      }),
    });
  }

  ack(node: string, incarnation = 1): void {
    const sent = this.lease.sent();
    this.nowMs += 10;
    this.lease.acked({ node, incarnation }, sent);
  }

  get isHeld(): boolean {
    return this.lease.whyNotHeld === undefined;
  }
}

describe('the lease of a member', () => {
  it('is held by a leased heartbeat, from its sending on, and comes back by itself', () => {
    const rig = new Rig();
    expect(rig.isHeld).toBe(false);
    const sent = rig.lease.sent();
    rig.nowMs = 1_000;
    rig.lease.leased(sent);
    expect(rig.isHeld).toBe(true);
    rig.nowMs = 1_500;
    expect(rig.isHeld).toBe(true);
    rig.nowMs = 1_501;
    expect(rig.isHeld).toBe(false);
    expect(rig.lease.lostForMs).toBe(1);
    rig.lease.leased(rig.lease.sent());
    expect(rig.isHeld).toBe(true);
    expect(rig.lease.lostForMs).toBe(0);
  });

  it('is held by the ack of another voter, of its listed incarnation only', () => {
    const rig = new Rig();
    rig.ack('b', 2);
    rig.ack('stranger');
    rig.ack('a');
    expect(rig.isHeld).toBe(false);
    rig.ack('c');
    expect(rig.isHeld).toBe(true);
    expect(rig.lease.voters).toBe(1);
  });

  it('is over after a pause of the machine, although voters acked before', () => {
    const rig = new Rig();
    rig.ack('b');
    expect(rig.isHeld).toBe(true);
    rig.sleptMs = 200;
    expect(rig.isHeld).toBe(false);
    rig.ack('b');
    expect(rig.isHeld).toBe(true);
  });

  it('allows no write before the lease of the master before is over', () => {
    const rig = new Rig(true);
    rig.ack('b');
    expect(rig.lease.whyNotHeld).toContain('master before');
    rig.nowMs = 1_649;
    rig.ack('b');
    expect(rig.nowMs).toBe(1_659);
    expect(rig.isHeld).toBe(true);
    const early = new Rig(true);
    early.nowMs = 1_630;
    early.ack('b');
    expect(early.isHeld).toBe(false);
  });

  it('counts nothing that was sent in a term that was led before', () => {
    const before = new Rig();
    const sent = before.lease.sent();
    const rig = new Rig();
    rig.lease.sent();
    rig.lease.leased(sent);
    rig.lease.acked({ node: 'b', incarnation: 1 }, sent);
    expect(rig.isHeld).toBe(false);
  });

  it('counts by the newest list: what was sent under an older one proves nothing', () => {
    const rig = new Rig();
    const sent = rig.lease.sent();
    rig.members = { ...LISTED, voters: [...LISTED.voters] };
    rig.lease.acked({ node: 'b', incarnation: 1 }, sent);
    expect(rig.isHeld).toBe(false);
    rig.members = undefined;
    expect(rig.lease.whyNotHeld).toContain('no member list');
  });
});
