/** Every key of the configuration, with its bounds and default. Unknown keys are refused. */
import { z } from 'zod';
import {
  bindAddress,
  boolean,
  directory,
  duration,
  hostNames,
  hostPort,
  hostPorts,
  oneOf,
  optionalHostPort,
  size,
  wholeNumber,
} from '#config/leaf-schemas.ts';
import { PUSH_BYTES_MAX_DEFAULT, VALUE_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { LOG_FORMATS, LOG_LEVELS } from '#platform/create-logger.ts';
import { planMemory } from '#platform/memory-plan.ts';

const KB = 1_000;
const MB = 1_000 * KB;
const KIB = 1_024;
const MIB = 1_024 * KIB;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/** A record (value, victims, headers) must stay under the log format's 64 MiB. */
const VALUE_BYTES_LIMIT = 48 * MIB;

/** `memoryLimitBytes`: what this process may use, for the default of `storage.max_memory`. */
function nodeSections(memoryLimitBytes: number) {
  return {
    server: z.strictObject({
      port: wholeNumber({ min: 0, max: 65_535 }, 8_080),
      address: bindAddress('127.0.0.1'),
      advertise: optionalHostPort(),
      allowed_hosts: hostNames(),
      max_value_bytes: size({ min: 1, max: VALUE_BYTES_LIMIT }, VALUE_BYTES_MAX_DEFAULT),
      max_batch_bytes: size({ min: 64 * KIB, max: 1_024 * MIB }, 32 * MIB),
    }),
    wal: z.strictObject({
      directory: directory(),
      fsync: oneOf(['always', 'interval', 'never'], 'interval'),
      sync_interval: duration({ min: 1, max: HOUR }, SECOND),
      max_file_size: size({ min: 4 * KB }, 100 * MB),
      retention: size({ min: 0 }, 256 * MB),
      aside_max_bytes: size({ min: 0 }, 1_000 * MB),
      aside_max_age: duration({ min: 0 }, 30 * 24 * HOUR),
    }),
    snapshot: z.strictObject({
      every: size({ min: 4 * KB }, 256 * MB),
    }),
    storage: z.strictObject({
      max_entries: wholeNumber({ min: 0 }, 0),
      max_memory: size({ min: MIB }, planMemory(memoryLimitBytes).storeBytes),
      default_ttl: duration({ min: 0 }, 0),
      scrub_interval: duration({ min: 0 }, HOUR),
      eviction_policy: oneOf(['lru', 'none'], 'lru'),
    }),
    replication: z.strictObject({
      replicas: hostPorts(),
      sync_interval: duration({ min: 0, max: HOUR }, 10),
      max_push_bytes: size({ min: 4 * KIB, max: 16 * MIB }, PUSH_BYTES_MAX_DEFAULT),
      heartbeat: duration({ min: 1, max: HOUR }, 250),
      max_lag: duration({ min: 1 }, 5 * SECOND),
      serve_stale: boolean(true),
      min_replicas_to_write: wholeNumber({ min: 0, max: 64 }, 0),
      snapshot_max_rate: size({ min: 1_000_000 }, 64_000_000),
      snapshot_max_log: size({ min: 0 }, 1_000_000_000),
    }),
    log: z.strictObject({
      level: oneOf(LOG_LEVELS, 'info'),
      format: oneOf(LOG_FORMATS, 'auto'),
    }),
  };
}

export function masterSchema(memoryLimitBytes: number) {
  return z.strictObject(nodeSections(memoryLimitBytes));
}

export function slaveSchema(memoryLimitBytes: number) {
  const sections = nodeSections(memoryLimitBytes);
  return z.strictObject({
    ...sections,
    replication: z.strictObject({
      ...sections.replication.shape,
      apply_delay: duration({ min: 0, max: 30 * 24 * HOUR }, 0),
    }),
    master: z.strictObject({
      address: hostPort(),
      sync_interval: duration({ min: 1, max: HOUR }, SECOND),
    }),
  });
}

export type MasterDocument = z.output<ReturnType<typeof masterSchema>>;
export type SlaveDocument = z.output<ReturnType<typeof slaveSchema>>;

/** The shape of either schema, for walking it by name. */
export type SectionShapes = Readonly<Record<string, z.ZodObject<Readonly<Record<string, z.ZodType>>>>>;

/** Whether the two agree on everything but `master` is for the compiler; callers walk by name. */
export function shapesOf(role: 'master' | 'replica', memoryLimitBytes: number): SectionShapes {
  const schema = role === 'master' ? masterSchema(memoryLimitBytes) : slaveSchema(memoryLimitBytes);
  return schema.shape as unknown as SectionShapes;
}
