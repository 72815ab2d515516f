import { describe, expect, it } from 'vitest';
import { openFilesMax, parseOpenFilesMax } from '#platform/open-files.ts';
import { shortageOf } from '#platform/shortage.ts';

const limitsWith = (line: string): string =>
  `Limit   Soft Limit   Hard Limit   Units\n${line}\nMax locked memory 1 1 bytes\n`;

describe('the limit of open files', () => {
  it.each([
    ['Max open files            1024                 4096                 files', 1_024],
    ['Max open files            unlimited            unlimited            files', Number.POSITIVE_INFINITY],
    ['Max processes             1024                 1024                 processes', undefined],
  ])('is the soft one: %s', (line, limit) => {
    expect(parseOpenFilesMax(limitsWith(line))).toBe(limit);
  });

  it('of this process is known', () => {
    expect(openFilesMax()).toBeGreaterThan(100);
  });
});

describe('a shortage', () => {
  it.each([
    ['ENOSPC', 'space'],
    ['EDQUOT', 'space'],
    ['EFBIG', 'space'],
    ['EMFILE', 'files'],
    ['ENFILE', 'files'],
    ['ENOMEM', 'memory'],
    ['ENOBUFS', 'memory'],
    ['EAGAIN', 'memory'],
    ['EINTR', 'memory'],
    ['EIO', undefined],
    ['EROFS', undefined],
    ['EACCES', undefined],
    ['ENOENT', undefined],
    ['', undefined],
  ])('%s: %s', (code, shortage) => {
    expect(shortageOf(Object.assign(new Error(code), { code }))).toBe(shortage);
    expect(shortageOf(new Error(code))).toBeUndefined();
  });
});
