/** The begin and the end of a shortage, as the log of a node tells them. */
import { expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DiskShortage } from '#wal/disk-shortage.ts';
import { appendAll, frameAfter, numbered, open } from './harness.ts';

it('tells once that a shortage began, and that it is over', async () => {
  const lines: string[] = [];
  const say = (_: object, text: string) => void lines.push(text);
  const logger = { ...silentLogger, info: say, warn: say };
  let free = 0;
  const shortage = new DiskShortage({
    ...{ clock: new VirtualClock(), logger, freeBytes: async () => free },
    ...{ tryRoom: async () => undefined, onProbe: () => undefined, writtenLsn: () => toLsn(7) },
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

it.each([
  ['EDQUOT', 'write', 'space'],
  ['EFBIG', 'write', 'space'],
  ['EMFILE', 'create', 'files'],
] as const)(
  'lasts while nothing can be written, although bytes are free (%s at %s)',
  async (code, call, kind) => {
    const [clock, disk] = [new VirtualClock(), new MemoryFileSystem()];
    const { log, directory } = await open(disk, { clock, maxFileBytes: 400 });
    directory.onFailed = () => expect.unreachable();
    await appendAll(log, numbered(4));
    disk.fail({ call, code });
    log.append(frameAfter(log.tail, 'refused'));
    for (let second = 0; second < 5; second++) {
      await clock.advance(1_000);
      expect(log.shortage).toBe(kind);
    }
    expect(log.failure).toBeUndefined();
    disk.clearFaults();
    await clock.advance(1_000);
    expect(log.shortage).toBeUndefined();
    log.append(frameAfter(log.tail, 'taken'));
    await clock.settle();
    const { replayed, tornTail } = await open(disk.crash());
    expect([replayed, tornTail]).toEqual([[...numbered(4), 'taken'], undefined]);
  },
);
