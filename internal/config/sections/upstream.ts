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

export const UPSTREAM = defineSection({
  keys: () => ({ address: hostPort(), sync_interval: duration({ min: 1, max: HOUR }, SECOND) }),
  read: (values): UpstreamConfig => ({ address: values.address, syncIntervalMs: values.sync_interval }),
  print: (upstream) => ({
    address: upstream.address,
    sync_interval: formatDuration(upstream.syncIntervalMs),
  }),
});
