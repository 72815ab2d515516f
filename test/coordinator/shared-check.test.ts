import { expect, it } from 'vitest';
import { SharedCheck } from '#coordinator/shared-check.ts';

it('shares one check among all who ask before it begins, and gives nobody one that had begun', async () => {
  const begun: PromiseWithResolvers<number>[] = [];
  const check = new SharedCheck(() => {
    const next = Promise.withResolvers<number>();
    begun.push(next);
    return next.promise;
  });
  const first = check.ask();
  const [second, third] = [check.ask(), check.ask()];
  expect(begun).toHaveLength(1);
  begun[0]?.resolve(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  expect(begun).toHaveLength(2);
  const fourth = check.ask();
  begun[1]?.reject(new Error('no answer'));
  await expect(second).rejects.toThrow('no answer');
  await expect(third).rejects.toThrow('no answer');
  begun[2]?.resolve(3);
  expect(await fourth).toBe(3);
  const fifth = check.ask();
  begun[3]?.resolve(4);
  expect(await fifth).toBe(4);
});
