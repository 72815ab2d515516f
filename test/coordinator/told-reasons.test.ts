/** What the log says of a metadata store that is away. */
import { expect, it, vi } from 'vitest';
import { ToldReasons } from '#coordinator/told-reasons.ts';
import { silentLogger } from '#platform/logger.ts';

it('tells each reason once until there is success, however they alternate', () => {
  const warn = vi.fn();
  const info = vi.fn();
  const told = new ToldReasons({ ...silentLogger, warn, info }, 'map');
  told.succeeded();
  for (let i = 0; i < 10; i++) for (const why of ['no etcd', 'no leader']) told.failed(new Error(why));
  const failing = 'the metadata store gives no answer';
  expect(warn.mock.calls).toEqual([
    [{ asking: 'map', why: 'no etcd' }, failing],
    [{ asking: 'map', why: 'no leader' }, failing],
  ]);
  for (let i = 0; i < 2; i++) told.succeeded();
  expect(info.mock.calls).toEqual([[{ asking: 'map' }, 'the metadata store answers again']]);
  told.failed(new Error('no etcd'));
  expect(warn).toHaveBeenCalledTimes(3);
  for (let i = 0; i < 40; i++) told.failed(new Error(`attempt ${i}`));
  told.failed(new Error('no etcd'));
  expect(warn).toHaveBeenCalledTimes(3 + 40 + 1);
});
