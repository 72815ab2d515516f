/**
 * When records are fdatasynced: before they are acknowledged; every
 * `wal.sync_interval`; or only on request, at rotation and when the log is closed.
 */
export const FSYNC_POLICIES = ['always', 'interval', 'never'] as const;
export type FsyncPolicy = (typeof FSYNC_POLICIES)[number];
