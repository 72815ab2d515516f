/** `master`: whom a slave follows. */
import { duration, hostPort } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { HOUR, SECOND } from '#config/units.ts';
import { formatDuration } from '#platform/duration.ts';

export interface UpstreamConfig {
  /** `host:port` of the master to follow. */
  readonly address: string;
  /** Silence after which the replica pulls by itself. */
  readonly syncIntervalMs: number;
}

/** Also of a member of a cluster, and of a master's configuration whose directory is a replica's: these have no key for it. */
export const PULL_MS_DEFAULT = SECOND;

export const UPSTREAM = defineSection({
  keys: () => ({ address: hostPort(), sync_interval: duration({ min: 1, max: HOUR }, PULL_MS_DEFAULT) }),
  read: (values): UpstreamConfig => ({ address: values.address, syncIntervalMs: values.sync_interval }),
  print: (upstream) => ({
    address: upstream.address,
    sync_interval: formatDuration(upstream.syncIntervalMs),
  }),
});
