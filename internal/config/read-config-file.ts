/** The text of a configuration file. A file with users is a secret, and must have the permissions of one. */
import { ConfigError } from '#config/config-error.ts';
import { parseYaml } from '#config/yaml-source.ts';
import type { FileStat, FileSystem } from '#platform/file-system.ts';
import { objectionTo, objectionToKind } from '#platform/secret-file.ts';

/** Beyond this a configuration file is something else by mistake. */
const FILE_BYTES_MAX = 1_048_576;

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
    const handle = await fileSystem.open(file, 'read');
    try {
      // Asked of the open file: another one may be put at the path meanwhile.
      const stat = await handle.stat();
      const { sizeBytes } = stat;
      const objection = objectionToKind(stat);
      if (objection !== undefined) throw new Error(objection);
      if (sizeBytes > FILE_BYTES_MAX)
        throw new Error(`it has ${sizeBytes} bytes, at most ${FILE_BYTES_MAX} are read`);
      const bytes = new Uint8Array(sizeBytes);
      const length = await handle.read(bytes, 0);
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length)), stat };
    } finally {
      await handle.close();
    }
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
