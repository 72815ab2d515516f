/**
 * The file of the contexts. It decides where the tool sends a token, so it is refused
 * where another user can change or read it. Every failure is a `CliError`.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CliError, EXIT } from '../cli-error.ts';
import { replaceFile } from '../replace-file.ts';
import { type Contexts, NO_CONTEXTS, parseContexts, renderContexts } from './contexts.ts';
import { userDirectory } from './user-directory.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined where the environment names no home. */
export function contextFile(env: Environment): string | undefined {
  const directory = userDirectory(env, 'config');
  return directory === undefined ? undefined : join(directory, 'contexts.json');
}

/** None where there is no file. */
export async function readContexts(path: string | undefined): Promise<Contexts> {
  if (path === undefined || !existsSync(path)) return NO_CONTEXTS;
  const [{ readSecretFile }, { createNodeFileSystem }] = await Promise.all([
    import('#platform/secret-file.ts'),
    import('#platform/node-file-system.ts'),
  ]);
  let text: string;
  try {
    text = await readSecretFile(createNodeFileSystem(), path);
  } catch (error) {
    const message = `the contexts cannot be read: ${(error as Error).message}`;
    throw new CliError(EXIT.usage, message, 'Without contexts, name the node: --address HOST:PORT');
  }
  try {
    return parseContexts(text);
  } catch (error) {
    const message = `the contexts cannot be read: ${path}: ${(error as Error).message}`;
    throw new CliError(EXIT.usage, message, 'Mend the file, or delete it and begin with: walnut context add');
  }
}

/** Replaces the whole file, so that no reader sees a part of it. */
export async function writeContexts(path: string, contexts: Contexts): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceFile(path, renderContexts(contexts), 0o600);
}
