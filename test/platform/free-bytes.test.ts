import { expect, it } from 'vitest';
import { followFreeBytes } from '#platform/free-bytes.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

it('follows the free bytes of a disk, knows nothing while the disk does not answer, and ends', async () => {
  const clock = new VirtualClock();
  const answers = [
    () => Promise.resolve(3_000),
    () => Promise.reject(new Error('EIO')),
    () => Promise.resolve(1_000),
  ];
  let answerLate = (_bytes: number): void => {};
  const late = new Promise<number>((resolve) => {
    answerLate = resolve;
  });
  let asked = 0;
  const freeBytes = (): Promise<number> => {
    asked++;
    return answers.shift()?.() ?? late;
  };
  const disk = followFreeBytes({ fileSystem: { freeBytes }, clock, path: '/data' });
  expect(disk.bytes).toBeUndefined();
  await clock.settle();
  expect(disk.bytes).toBe(3_000);
  await clock.advance(10_000);
  expect(disk.bytes).toBeUndefined();
  await clock.advance(10_000);
  expect(disk.bytes).toBe(1_000);
  // A disk that hangs is asked once, and its last answer is not shown any more.
  await clock.advance(30_000);
  expect([asked, disk.bytes]).toEqual([4, undefined]);
  answerLate(500);
  await clock.settle();
  expect(disk.bytes).toBe(500);
  disk.close();
  await clock.advance(60_000);
  expect([asked, clock.pendingTimers]).toEqual([4, 0]);
});
