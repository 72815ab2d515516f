/** What a gateway does for a caller that knows a newer map than it has. */
import { describe, expect, it } from 'vitest';
import type { MapNews } from '#cluster/coordinator-port.ts';
import { silentLogger } from '#platform/logger.ts';
import { Gateway } from '#routing/gateway.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';

function open() {
  const clock = new VirtualClock();
  /** `cluster`: of the coordinator, where it streams. */
  const at = { epoch: 1, asked: 0, isSilent: false, cluster: undefined as string | undefined };
  const saved: number[] = [];
  const gateway = new Gateway({
    coordinators: ['c:1'],
    source: {
      ask: async (): Promise<MapNews> => {
        at.asked++;
        if (at.isSilent) await clock.sleep(2_000);
        return { kind: 'whole', map: mapOf(['g1'], at.epoch), epoch: at.epoch };
      },
      // A stream that tells nothing.
      follow: (_, __, ___, signal) => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            const { cluster } = at;
            if (cluster !== undefined) {
              await clock.sleep(1_000, signal);
              if (signal.aborted) return { done: true, value: undefined };
              return {
                done: false,
                value: { kind: 'whole', map: { ...mapOf(['g1'], 1), clusterId: cluster }, epoch: 1 },
              };
            }
            await clock.sleep(600_000, signal);
            return { done: true, value: undefined };
          },
        }),
      }),
    },
    links: {
      linkTo: () => ({}) as never,
      judge: () => ({ outcome: 'unknown', remedy: 'none' }),
      toError: (error) => error as Error,
      retain: () => undefined,
    },
    kept: {
      load: async () => ({ map: mapOf(['g1'], 1), ageMs: 5_000 }),
      save: async ({ epoch }) => void saved.push(epoch),
    },
    readFrom: 'master',
    limits: { callsMax: 10, bytesMax: 1_000_000 },
    ...{ clock, random: new SeededRandom(1), logger: silentLogger },
  });
  return { clock, at, gateway, saved };
}

describe('a gateway', () => {
  it('asks for the newer map that a caller knows, once for all callers', async () => {
    const { clock, at, gateway } = open();
    await gateway.start();
    expect([gateway.whenMapHeard(0), gateway.whenMapHeard(1)]).toEqual([undefined, undefined]);
    at.epoch = 3;
    const heard = [gateway.whenMapHeard(2), gateway.whenMapHeard(3)];
    await clock.advance(1);
    await Promise.all(heard);
    expect(at.asked).toBe(1);
    expect(gateway.whenMapHeard(3)).toBeUndefined();
  });

  it('does not write again the map that it kept, whose age would begin anew with each start', async () => {
    const { clock, at, gateway, saved } = open();
    await gateway.start();
    await clock.advance(300);
    expect(saved).toEqual([]);
    at.epoch = 2;
    const heard = gateway.whenMapHeard(2);
    await clock.advance(1);
    await heard;
    expect(saved).toEqual([2]);
  });

  it('tells the age of the map that it kept until a coordinator has answered', async () => {
    const { clock, at, gateway } = open();
    await gateway.start();
    await clock.advance(300);
    expect(gateway.view().mapAgeMs).toBe(5_300);
    at.epoch = 2;
    const heard = gateway.whenMapHeard(2);
    await clock.advance(1);
    await heard;
    expect(gateway.view().mapAgeMs).toBeLessThan(10);
  });

  it('is unavailable to that caller where no coordinator tells it in 500 ms', async () => {
    const { clock, at, gateway } = open();
    await gateway.start();
    const refused = gateway.whenMapHeard(9)?.catch((error: unknown) => error);
    await clock.advance(1);
    expect(await refused).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    at.isSilent = true;
    let isOver = false;
    const late = gateway.whenMapHeard(9)?.catch((error: Error) => {
      isOver = true;
      return error;
    });
    await clock.advance(490);
    expect(isOver).toBe(false);
    await clock.advance(20);
    expect(isOver).toBe(true);
    expect(((await late) as Error).message).toContain('knows map epoch 9, and this gateway 1');
  });

  it('is not ready while every coordinator that answers is of another cluster', async () => {
    const { clock, at, gateway } = open();
    const own = mapOf(['g1'], 1).clusterId;
    at.cluster = own;
    await gateway.start();
    await clock.advance(3_000);
    expect(gateway.readiness().isReady).toBe(true);
    at.cluster = 'f'.repeat(32);
    await clock.advance(5_000);
    expect(gateway.readiness()).toMatchObject({ isReady: false, state: 'waiting' });
    expect(gateway.readiness().reasons[0]).toBe('every coordinator that answers is of another cluster');
    // A coordinator that lost its store says nothing against the map.
    at.cluster = '';
    await clock.advance(5_000);
    expect(gateway.readiness().isReady).toBe(true);
    at.cluster = own;
    await clock.advance(5_000);
    expect(gateway.readiness()).toMatchObject({ isReady: true, reasons: [] });
    const stopped = gateway.stop();
    await clock.advance(3_000);
    await stopped;
  });
});
