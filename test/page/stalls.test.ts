/** In how many of the last seconds the event loop ran late, while somebody looks. */
import { expect, it } from 'vitest';
import { Stalls } from '#page/stalls.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

function rig() {
  const clock = new VirtualClock();
  let delay = { p99Ms: 0, maxMs: 0 };
  const monitor = { read: () => ({ p50Ms: 0, p999Ms: delay.maxMs, ...delay }), close: () => {} };
  const stalls = new Stalls(clock, () => monitor);
  const look = async (p99Ms: number, maxMs: number, waitMs = 1_000) => {
    await clock.advance(waitMs);
    delay = { p99Ms, maxMs };
    return stalls.read();
  };
  return { look };
}

it('counts seconds with a delay above 100 ms, of the last minute', async () => {
  const { look } = rig();
  // What came before anybody looked is not counted.
  expect(await look(900, 900)).toEqual({ seconds: 0, late: 0, maxMs: 0 });
  await look(101, 250);
  expect(await look(100, 120)).toEqual({ seconds: 2, late: 1, maxMs: 250 });
  for (let second = 0; second < 58; second++) await look(0, 1);
  expect(await look(0, 1)).toEqual({ seconds: 60, late: 0, maxMs: 120 });
});

it('begins anew after a pause in which nobody looked', async () => {
  const { look } = rig();
  await look(0, 0);
  await look(300, 300);
  expect(await look(300, 300, 6_000)).toEqual({ seconds: 0, late: 0, maxMs: 0 });
});
