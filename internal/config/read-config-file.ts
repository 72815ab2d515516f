/** The text of a configuration file. A file with users is a secret, and must have the permissions of one. */
import { ConfigError } from '#config/config-error.ts';
import { parseYaml } from '#config/yaml-source.ts';
import type { FileStat, FileSystem } from '#platform/file-system.ts';
import { objectionTo, objectionToSize, readSmallFile } from '#platform/secret-file.ts';

/**
 * Throws `ConfigError` where the file cannot be read, or has `auth.users` and could have been read or written
 * by another user of this machine. `processId`: the user id of this process; undefined where the system has none.
 */
export async function readConfigFile(
  fileSystem: FileSystem,
  file: string,
  processId = process.getuid?.(),
): Promise<string> {
  const { text, stat } = await readText(fileSystem, file);
  const place = placeOfUsers(file, text);
  const objection = place === undefined ? undefined : objectionTo(stat, processId);
  if (objection === undefined) return text;
  throw new ConfigError([`${place} auth.users: a file with users is a secret: ${objection}`]);
}

async function readText(fileSystem: FileSystem, file: string): Promise<{ text: string; stat: FileStat }> {
  try {
    return await readSmallFile(fileSystem, file, objectionToSize);
  } catch (error) {
    throw new ConfigError([`${file}: cannot read the configuration: ${(error as Error).message}`]);
  }
}

/** Where the text has users; undefined where it has none, or is no YAML, which the loader reports. */
function placeOfUsers(file: string, text: string): string | undefined {
  const { values, locate } = parseYaml(file, text);
  const { auth } = values;
  const hasUsers = typeof auth === 'object' && auth !== null && 'users' in auth;
  return hasUsers ? locate(['auth', 'users'], 'key') : undefined;
}
