/**
 * MANIFEST is the commit point of everything but records. Where its
 * replacement fails, a node that runs ends (exit 4), one that starts does not
 * (exit 3); a full disk is no failure.
 */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const CALLS = [
  ['datasync', /MANIFEST/],
  ['rename', /MANIFEST/],
  ['syncDirectory', /./],
] as const;

describe('a failed replacement of MANIFEST', () => {
  it.each(CALLS)('by %s is fatal for a node that runs', async (call, path) => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    // The first directory sync of a checkpoint is that of the snapshot's own name.
    master.fileSystem.fail({ call, path, code: 'EIO', skip: call === 'syncDirectory' ? 1 : 0, times: 1 });
    await group.until(master.node.checkpoint().catch(() => undefined));
    expect(master.failures.map(({ message }) => message)).toEqual([expect.stringContaining('EIO')]);
  });

  it('is not, where there is no room for it: what is there is untouched, and the next one succeeds', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    master.fileSystem.fail({ call: 'write', path: /MANIFEST/, code: 'ENOSPC', times: 1 });
    await expect(group.until(master.node.checkpoint())).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: expect.stringContaining('full'),
    });
    expect(master.failures).toEqual([]);
    await group.until(master.node.checkpoint());
  });

  it.each([...CALLS, ['readDirectory', /./]] as const)(
    'or a directory that fails by %s makes a start refuse, and say which directory',
    async (call, path) => {
      const group = new TestGroup();
      const fileSystem = new MemoryFileSystem();
      fileSystem.fail({ call, path, code: 'EIO' });
      await expect(group.master({ fileSystem })).rejects.toMatchObject({
        name: 'WalOpenError',
        kind: 'unusable',
        message: expect.stringContaining('EIO'),
      });
    },
  );
});
