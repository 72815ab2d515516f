/**
 * The newest map in a file: an 8-byte mark, the CRC-32 of what follows, and the message
 * ShardMap. It is written aside and renamed, so that the file is whole or the one before. A file
 * that cannot be used is logged, and the next map replaces it.
 */
import { dirname } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ShardMap } from '#cluster/shard-map.ts';
import { ConfigError } from '#config/config-error.ts';
import { ShardMapSchema } from '#gen/walnut/cluster/v1/map_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { crc32 } from '#platform/crc32.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { KeptMap } from '#routing/gateway.ts';
import { readWholeFile, writeFully } from '#wal/whole-files.ts';
import { fromShardMap, toShardMap } from '#wire/shard-map-codec.ts';

const MARK = Buffer.from('WLNTMAP1');
const HEAD_BYTES = MARK.length + 4;

/** Rejects with `ConfigError` where the path is that of a directory, or where the directory of the file cannot be made. */
export async function openKeptMap(
  fileSystem: FileSystem,
  path: string,
  clock: Pick<Clock, 'wallMs'>,
  logger: Logger,
): Promise<KeptMap> {
  if ((await fileSystem.stat(path))?.isDirectory === true)
    throw new ConfigError([
      `gateway.map_file: ${path} is a directory: name a file in it, such as ${path}/map`,
    ]);
  try {
    await fileSystem.makeDirectory(dirname(path));
  } catch (error) {
    const why = (error as Error).message;
    throw new ConfigError([`gateway.map_file: the directory of ${path} cannot be made: ${why}`]);
  }
  return {
    load: async () => {
      try {
        const stat = await fileSystem.stat(path);
        if (stat === undefined) return undefined;
        const map = decodeMap(await readWholeFile(fileSystem, path));
        return { map, ageMs: Math.max(0, clock.wallMs() - stat.modifiedMs) };
      } catch (error) {
        const why = (error as Error).message;
        logger.warn({ file: path, why }, 'the map that was kept cannot be used: waiting for a coordinator');
        return undefined;
      }
    },
    save: async (map) => {
      try {
        await replaceFile(fileSystem, path, encodeMap(map));
      } catch (error) {
        logger.warn({ file: path, why: (error as Error).message }, 'the map could not be kept');
      }
    },
  };
}

export function encodeMap(map: ShardMap): Buffer {
  const message = toBinary(ShardMapSchema, fromShardMap(map));
  const bytes = Buffer.concat([MARK, Buffer.alloc(4), message]);
  bytes.writeUInt32BE(crc32(bytes, 0, HEAD_BYTES, bytes.length), MARK.length);
  return bytes;
}

/** Throws where the bytes are no whole map. */
export function decodeMap(bytes: Buffer): ShardMap {
  if (bytes.length < HEAD_BYTES || !bytes.subarray(0, MARK.length).equals(MARK))
    throw new Error('it is no map of a gateway');
  if (crc32(bytes, 0, HEAD_BYTES, bytes.length) !== bytes.readUInt32BE(MARK.length))
    throw new Error('it is damaged: its checksum does not fit');
  return toShardMap(fromBinary(ShardMapSchema, bytes.subarray(HEAD_BYTES)));
}

async function replaceFile(fileSystem: FileSystem, path: string, bytes: Buffer): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await fileSystem.open(temporary, 'replace');
    try {
      await writeFully(file, bytes, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await fileSystem.rename(temporary, path);
  } catch (error) {
    await fileSystem.remove(temporary).catch(() => undefined);
    throw error;
  }
  await fileSystem.syncDirectory(dirname(path));
}
