/** The begin and the end of a shortage, as the log of a node tells them. */
import { expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DiskShortage } from '#wal/disk-shortage.ts';

it('tells once that a shortage began, and that it is over', async () => {
  const lines: string[] = [];
  const say = (_: object, text: string) => void lines.push(text);
  const logger = { ...silentLogger, info: say, warn: say };
  let free = 0;
  const shortage = new DiskShortage({
    ...{ clock: new VirtualClock(), logger, freeBytes: async () => free },
    ...{ open: async () => undefined, onProbe: () => undefined, writtenLsn: () => toLsn(7) },
  });
  shortage.begin(Object.assign(new Error('no room'), { code: 'ENOSPC' }));
  await shortage.probe();
  expect([shortage.current, lines.length, lines[0]]).toEqual([
    'space',
    1,
    expect.stringContaining('of bytes (df -h) or of files (df -i): writes are refused'),
  ]);
  free = 2 ** 30;
  await shortage.probe();
  shortage.end();
  expect([shortage.current, lines.slice(1)]).toEqual([undefined, ['the shortage is over: writes are taken']]);
});
