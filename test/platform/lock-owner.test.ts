import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { tryLockFile } from '#platform/file-lock.ts';
import { lockOwner } from '#platform/lock-owner.ts';

it.skipIf(process.platform !== 'linux')('is known while a file is locked, and only then', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'walnut-lock-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'LOCK');
  expect(await lockOwner(path)).toBe(undefined);
  const lock = await tryLockFile(path);
  expect(await lockOwner(path)).toBe(process.pid);
  await lock?.release();
  expect(await lockOwner(path)).toBe(undefined);
});
