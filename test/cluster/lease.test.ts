import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEASE_MS, PAUSE_MS } from '#cluster/figures.ts';
import { type ClockReading, MasterLease } from '#cluster/lease.ts';

/** A machine's clocks: true time, of which monotonic time leaves pauses out. */
class Machine {
  trueMs = 0;
  #pausedMs = 0;
  #wallStepMs = 0;

  run(ms: number): void {
    this.trueMs += ms;
  }

  suspend(ms: number): void {
    this.trueMs += ms;
    this.#pausedMs += ms;
  }

  stepWall(ms: number): void {
    this.#wallStepMs += ms;
  }

  read(): ClockReading {
    return {
      monotonicMs: this.trueMs - this.#pausedMs,
      wallMs: 1_767_225_600_000 + this.trueMs + this.#wallStepMs,
      uptimeMs: 5_000 + this.trueMs,
    };
  }
}

function leased(lease: MasterLease, machine: Machine): void {
  lease.leased(lease.sent(machine.read()));
}

describe('a lease by the coordinator', () => {
  it('is held for its time from the sending of the heartbeat, not from the answer', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    expect(lease.isHeld(machine.read())).toBe(false);
    const sent = lease.sent(machine.read());
    machine.run(1_000);
    lease.leased(sent);
    machine.run(LEASE_MS - 1_000);
    expect(lease.isHeld(machine.read())).toBe(true);
    machine.run(0.5);
    expect(lease.isHeld(machine.read())).toBe(false);
  });

  it('is not shortened by the late answer to an earlier heartbeat', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    const earlier = lease.sent(machine.read());
    machine.run(300);
    leased(lease, machine);
    lease.leased(earlier);
    machine.run(LEASE_MS - 100);
    expect(lease.isHeld(machine.read())).toBe(true);
  });

  it.each([
    ['is over after a pause that monotonic time did not count', PAUSE_MS + 1, 0, false],
    ['bears a pause within the tolerance', PAUSE_MS, 0, true],
    ['is over where the wall clock was set back by as much as the pause', 1_000, -1_000, false],
    ['bears a wall clock that is set back', 0, -60_000, true],
    ['is over where the wall clock is set forward, since that looks like a pause', 0, 60_000, false],
  ])('%s', (_, pauseMs, stepMs, isHeld) => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    leased(lease, machine);
    machine.suspend(pauseMs);
    machine.stepWall(stepMs);
    expect(lease.isHeld(machine.read())).toBe(isHeld);
  });

  it('is over after pauses that are short each and long together', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    leased(lease, machine);
    for (const isHeld of [true, false]) {
      machine.suspend(60);
      expect(lease.isHeld(machine.read())).toBe(isHeld);
    }
  });

  it('that was asked for before a pause is worth nothing when it is answered after it', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    const sent = lease.sent(machine.read());
    machine.suspend(200);
    expect(lease.isHeld(machine.read())).toBe(false);
    lease.leased(sent);
    expect(lease.isHeld(machine.read())).toBe(false);
    leased(lease, machine);
    expect(lease.isHeld(machine.read())).toBe(true);
  });

  it('is renewed for a day without a gap on a clock that drifts by 50 ppm', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c'] });
    let gaps = 0;
    for (let i = 0; i < 86_400; i++) {
      leased(lease, machine);
      machine.run(1_000);
      machine.stepWall(0.05);
      if (!lease.isHeld(machine.read())) gaps += 1;
    }
    expect(gaps).toBe(0);
  });
});

describe('a lease by the voters', () => {
  it.each([
    [[], 0],
    [['b'], 1],
    [['b', 'c'], 1],
    [['b', 'c', 'd'], 2],
    [['b', 'c', 'd', 'e'], 2],
  ])('with the others %j needs acks of %i', (others, needed) => {
    const machine = new Machine();
    const lease = new MasterLease({ others });
    expect(lease.isHeld(machine.read())).toBe(needed === 0);
    others.forEach((voter, i) => {
      lease.acked(voter, lease.sent(machine.read()));
      expect(lease.isHeld(machine.read())).toBe(i + 1 >= needed);
    });
    machine.run(LEASE_MS + 1);
    expect(lease.isHeld(machine.read())).toBe(needed === 0);
  });

  it('counts each voter once, by its newest push, and nobody else', () => {
    const machine = new Machine();
    const lease = new MasterLease({ others: ['b', 'c', 'd', 'e'] });
    lease.acked('b', lease.sent(machine.read()));
    machine.run(1_000);
    for (const voter of ['b', 'b', 'learner']) lease.acked(voter, lease.sent(machine.read()));
    expect([lease.isHeld(machine.read()), lease.voters(machine.read())]).toEqual([false, 1]);
    lease.acked('c', lease.sent(machine.read()));
    machine.run(LEASE_MS);
    expect([lease.isHeld(machine.read()), lease.voters(machine.read())]).toEqual([true, 2]);
  });
});

it('a lease is never held longer than its time and the tolerance, whatever the clocks do', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('run'), ms: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant('suspend'), ms: fc.integer({ min: 1, max: 2_000 }) }),
    fc.record({ kind: fc.constant('wall'), ms: fc.integer({ min: -3_000, max: 3_000 }) }),
    fc.record({ kind: fc.constantFrom('send', 'check'), ms: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const machine = new Machine();
      const lease = new MasterLease({ others: ['b', 'c'] });
      let sentMs = Number.NEGATIVE_INFINITY;
      for (const { kind, ms } of steps) {
        if (kind === 'run') machine.run(ms);
        else if (kind === 'suspend') machine.suspend(ms);
        else if (kind === 'wall') machine.stepWall(ms);
        else if (kind === 'check') lease.isHeld(machine.read());
        else {
          leased(lease, machine);
          sentMs = machine.trueMs;
        }
        if (lease.isHeld(machine.read()))
          expect(machine.trueMs - sentMs).toBeLessThanOrEqual(LEASE_MS + PAUSE_MS);
      }
    }),
    { numRuns: 300 },
  );
});
