/**
 * The code of an earlier release, taken out of this repository's own history,
 * so that nodes of both versions can run side by side.
 */
import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildBinaries } from '#test/build-binaries.ts';
import { ROOT } from '#test/house/source-files.ts';

const run = promisify(execFile);

/** Release 0.1.0, as CHANGELOG.md says. */
export const RELEASE_0_1_0 = 'b90fc63';

/** Why the release cannot be taken from here, such as in a shallow clone; undefined where it can. */
export async function whyNoRelease(commit: string): Promise<string | undefined> {
  try {
    await run('git', ['-C', ROOT, 'cat-file', '-e', `${commit}^{commit}`]);
    return undefined;
  } catch {
    return `the history here does not reach back to ${commit}`;
  }
}

/**
 * Unpacks the release into `directory`, and builds its binaries: returns where they are. Its dependencies are
 * those of this checkout.
 */
export async function unpackRelease(commit: string, directory: string): Promise<string> {
  await mkdir(directory);
  const archive = join(directory, 'release.tar');
  await run('git', ['-C', ROOT, 'archive', '-o', archive, commit, 'bin', 'cmd', 'internal', 'package.json']);
  await run('tar', ['-xf', archive, '-C', directory]);
  await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const built = `${directory}-built`;
  await buildBinaries(directory, built);
  return built;
}
