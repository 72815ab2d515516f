/**
 * The binaries in a few files each, which Node starts in a third of the processor time that hundreds of
 * sources take, and without stripping types in a quarter. They lie as in a checkout, so that the launcher and
 * local runs find them. An unknown import fails the build.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

const COPIED = ['bin', 'package.json'];
/** What a running binary reads. */
const LINKED = ['docs', 'internal/page/assets'];
/** Has all of them in one file. */
const EXECUTABLE = 'executable.ts';

/** Those of the checkout `root`, built into `place`, which is emptied first. */
export async function buildBinaries(root: string, place: string): Promise<void> {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  for (const path of COPIED) cpSync(join(root, path), join(place, path), { recursive: true });
  for (const path of LINKED) {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    symlinkSync(join(root, path), join(place, path));
  }
  const entries = readdirSync(join(root, 'cmd')).filter(
    (name) => name.endsWith('.ts') && name !== EXECUTABLE,
  );
  const build = await rolldown({
    input: Object.fromEntries(entries.map((name) => [name.slice(0, -3), join(root, 'cmd', name)])),
    cwd: root,
    platform: 'node',
    logLevel: 'warn',
  });
  try {
    await build.write({
      format: 'esm',
      dir: place,
      // JavaScript is TypeScript, too: they have the names of the sources.
      entryFileNames: 'cmd/[name].ts',
      // As deep as the sources, which look for the project's files two directories above them.
      chunkFileNames: 'cmd/chunks/[name].js',
    });
  } finally {
    await build.close();
  }
}
