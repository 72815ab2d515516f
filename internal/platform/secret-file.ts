/**
 * Reads small text files. One with secrets is refused where another user of this machine
 * could have read or written it. Errors say what to type.
 */
import type { FileStat, FileSystem } from '#platform/file-system.ts';

/** Larger files are something else by mistake. */
const BYTES_MAX = 1_048_576;
const ROOT = 0;

/** `cause` is what the file system or the decoder said. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
}

/** Throws `SecretFileError`. `processId`: the user id of this process; undefined where the system has none. */
export function readSecretFile(
  fileSystem: FileSystem,
  path: string,
  processId = process.getuid?.(),
): Promise<string> {
  return readChecked(fileSystem, path, (stat) => objectionTo(stat, processId));
}

/** The same for a file that others may read, such as the certificates of those who are trusted, but not change. */
export function readPublicFile(
  fileSystem: FileSystem,
  path: string,
  processId = process.getuid?.(),
): Promise<string> {
  return readChecked(fileSystem, path, (stat) => objectionToPublic(stat, processId));
}

async function readChecked(
  fileSystem: FileSystem,
  path: string,
  objectTo: (stat: FileStat) => string | undefined,
): Promise<string> {
  try {
    return (await readSmallFile(fileSystem, path, objectTo)).text;
  } catch (error) {
    throw new SecretFileError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The text of a file to which there is no objection, and what the file was. Rejects with an error that does not name the file. */
export async function readSmallFile(
  fileSystem: FileSystem,
  path: string,
  objectTo: (stat: FileStat) => string | undefined,
): Promise<{ readonly text: string; readonly stat: FileStat }> {
  const file = await fileSystem.open(path, 'read');
  try {
    // Asked of the open file: another one may be put at the path meanwhile.
    const stat = await file.stat();
    const objection = objectTo(stat);
    if (objection !== undefined) throw new Error(objection);
    const bytes = new Uint8Array(stat.sizeBytes);
    const length = await file.read(bytes, 0);
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length)), stat };
  } finally {
    await file.close();
  }
}

/** Why something is no file that can be read whole, such as a pipe, whose size is not known; undefined where it is one. */
function objectionToKind({ isDirectory, isRegular }: FileStat): string | undefined {
  if (isDirectory) return 'it is a directory: expected a file';
  return isRegular ? undefined : 'it is a pipe or a device: expected a file';
}

/** Why a file with this state is not read; undefined where it is. Pure. */
export function objectionTo(stat: FileStat, processId: number | undefined): string | undefined {
  const { mode, ownerId } = stat;
  const objection = objectionToSize(stat);
  if (objection !== undefined || processId === undefined) return objection;
  // Kubernetes mounts secrets as files of root that a group may read.
  const forbidden = ownerId === ROOT ? 0o037 : 0o077;
  if ((mode & forbidden) !== 0)
    return `other users may read or change it (mode ${modeText(mode)}): type chmod 600 and its path`;
  const isForeign = ownerId !== ROOT && ownerId !== processId && processId !== ROOT;
  return isForeign
    ? `it belongs to the user with the id ${ownerId}: expected root or the user of this process`
    : undefined;
}

/** The same for a file that others may read. Pure. */
export function objectionToPublic(stat: FileStat, processId: number | undefined): string | undefined {
  const { mode } = stat;
  const objection = objectionToSize(stat);
  // A group may be the owner's own, as many systems make it: files then have the mode 0664.
  if (objection !== undefined || processId === undefined || (mode & 0o002) === 0) return objection;
  return `every user may change it (mode ${modeText(mode)}): type chmod o-w and its path`;
}

function modeText(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** Why a file cannot be read whole, or is too large to be what was meant; undefined where it is neither. Pure. */
export function objectionToSize(stat: FileStat): string | undefined {
  const { sizeBytes } = stat;
  const objection = objectionToKind(stat);
  if (objection !== undefined) return objection;
  return sizeBytes > BYTES_MAX ? `it has ${sizeBytes} bytes: expected at most ${BYTES_MAX}` : undefined;
}
