import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEMORY_BYTES_MIN, planMemory, whyNoRoom, whyNoRoomToServe } from '#platform/memory-plan.ts';

const MIB = 1_024 * 1_024;
const GIB = 1_024 * MIB;

describe('the plan for a process’s memory', () => {
  it.each([
    [192, 11, 6, 8],
    [256, 61, 6, 8],
    [400, 172, 7, 8],
    [512, 247, 9, 10],
    [1_024, 614, 17, 21],
    [10_240, 6_144, 177, 213],
    [65_536, 39_321, 469, 256],
  ])('of %d MiB gives entries %d MiB, bodies %d MiB and answers %d MiB', (limit, store, bodies, answers) => {
    const plan = planMemory(limit * MIB);
    const { storeBytes, bodyBytes, answerBytes } = plan;
    expect([storeBytes / MIB, bodyBytes / MIB, answerBytes / MIB]).toEqual([store, bodies, answers]);
  });

  it('never promises more than there is, and gives more the more there is', () => {
    fc.assert(
      fc.property(fc.integer({ min: MEMORY_BYTES_MIN, max: 64 * GIB }), fc.nat(GIB), (limitBytes, more) => {
        const plan = planMemory(limitBytes);
        const { programBytes, callBytes, ringBytes, snapshotBytes, watchBytes, storeBytes } = plan;
        const bufferBytes = callBytes + ringBytes + snapshotBytes + watchBytes;
        expect(programBytes + bufferBytes + storeBytes).toBeLessThanOrEqual(limitBytes);
        expect(whyNoRoom(plan, storeBytes)).toBeUndefined();
        expect(planMemory(limitBytes + more).storeBytes).toBeGreaterThanOrEqual(storeBytes);
      }),
    );
  });

  it('tells who chose too much what to choose instead', () => {
    const plan = planMemory(256 * MIB);
    expect(whyNoRoom(plan, plan.storeBytes)).toBeUndefined();
    const why = whyNoRoom(plan, 154 * MIB);
    expect(why).toContain('this process may use 256 MiB; storage.max_memory of 154 MiB');
    expect(why).toContain('Lower storage.max_memory to 61MiB, or raise the limit');
  });

  it('names no key where nobody chose one, or where no value of it would do', () => {
    const plan = planMemory(128 * MIB);
    for (const storeBytes of [plan.storeBytes, 20 * MIB]) {
      const why = whyNoRoom(plan, storeBytes);
      expect(why).toContain('this process may use 128 MiB, and Walnut needs at least 192 MiB');
      expect(why).not.toContain('storage.');
    }
  });

  it('tells a process without a store what calls that wait need', () => {
    expect(whyNoRoomToServe(planMemory(256 * MIB), 64 * MIB)).toBeUndefined();
    expect(whyNoRoomToServe(planMemory(152 * MIB), 0)).toBeUndefined();
    expect(whyNoRoomToServe(planMemory(192 * MIB), 64 * MIB)).toContain(
      'may use 192 MiB, and needs 216 MiB: under load it may be killed; lower gateway.held_bytes, or raise',
    );
    expect(whyNoRoomToServe(planMemory(128 * MIB), 0)).not.toContain('gateway.');
  });
});
