/** `wal`: the directory of the log, when it is durable, and how much of it is kept. */
import { resolve } from 'node:path';
import { directory, duration, oneOf, size } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatSize } from '#config/size.ts';
import { DAY, HOUR, KB, MB, SECOND } from '#config/units.ts';
import { FSYNC_POLICIES, type FsyncPolicy } from '#model/fsync-policy.ts';
import { formatDuration } from '#platform/duration.ts';

export interface WalConfig {
  /** Absolute where the working directory was given. */
  readonly directory: string;
  readonly fsync: FsyncPolicy;
  readonly syncIntervalMs: number;
  /** Bytes at which a segment is sealed. */
  readonly fileBytesMax: number;
  /** Bytes of log kept behind the snapshot, for replicas that were away. */
  readonly retentionBytes: number;
  /** Bytes kept of what was set aside. */
  readonly asideBytesMax: number;
  /** How long something set aside is kept. */
  readonly asideAgeMaxMs: number;
}

export const SYNC_MS_DEFAULT = SECOND;

export const WAL = defineSection({
  keys: () => ({
    directory: directory(),
    fsync: oneOf(FSYNC_POLICIES, 'interval'),
    sync_interval: duration({ min: 1, max: HOUR }, SYNC_MS_DEFAULT),
    max_file_size: size({ min: 4 * KB }, 100 * MB),
    retention: size({ min: 0 }, 256 * MB),
    aside_max_bytes: size({ min: 0 }, 1_000 * MB),
    aside_max_age: duration({ min: 0 }, 30 * DAY),
  }),
  read: (values, { cwd }): WalConfig => ({
    directory: cwd === undefined ? values.directory : resolve(cwd, values.directory),
    fsync: values.fsync,
    syncIntervalMs: values.sync_interval,
    fileBytesMax: values.max_file_size,
    retentionBytes: values.retention,
    asideBytesMax: values.aside_max_bytes,
    asideAgeMaxMs: values.aside_max_age,
  }),
  print: (wal) => ({
    directory: wal.directory,
    fsync: wal.fsync,
    sync_interval: formatDuration(wal.syncIntervalMs),
    max_file_size: formatSize(wal.fileBytesMax),
    retention: formatSize(wal.retentionBytes),
    aside_max_bytes: formatSize(wal.asideBytesMax),
    aside_max_age: formatDuration(wal.asideAgeMaxMs),
  }),
});
