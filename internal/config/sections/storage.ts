/** `storage`: how much the store takes, and what happens to entries in it. */
import { duration, oneOf, size, wholeNumber } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatSize } from '#config/size.ts';
import { HOUR, MIB } from '#config/units.ts';
import type { EvictionPolicy, EvictionScope } from '#model/entry.ts';
import { formatDuration } from '#platform/duration.ts';
import { planMemory } from '#platform/memory-plan.ts';

export interface StorageConfig {
  /** 0: no limit by number. */
  readonly entriesMax: number;
  readonly memoryBytesMax: number;
  /** 0: entries without an expiry of their own never expire. */
  readonly defaultTtlMs: number;
  /** The time in which everything in memory is hashed again once, milliseconds; 0: only on request. */
  readonly scrubIntervalMs: number;
  readonly evictionPolicy: EvictionPolicy;
  readonly evictionScope: EvictionScope;
}

export const STORAGE = defineSection({
  keys: ({ memoryLimitBytes }) => ({
    max_entries: wholeNumber({ min: 0 }, 0),
    max_memory: size({ min: MIB }, planMemory(memoryLimitBytes).storeBytes),
    default_ttl: duration({ min: 0 }, 0),
    scrub_interval: duration({ min: 0 }, HOUR),
    eviction_policy: oneOf(['lru', 'ttl', 'none'], 'lru'),
    eviction_scope: oneOf(['all', 'with_ttl'], 'all'),
  }),
  read: (values): StorageConfig => ({
    entriesMax: values.max_entries,
    memoryBytesMax: values.max_memory,
    defaultTtlMs: values.default_ttl,
    scrubIntervalMs: values.scrub_interval,
    evictionPolicy: values.eviction_policy,
    evictionScope: values.eviction_scope,
  }),
  print: (storage) => ({
    max_entries: storage.entriesMax,
    max_memory: formatSize(storage.memoryBytesMax),
    default_ttl: formatDuration(storage.defaultTtlMs),
    scrub_interval: formatDuration(storage.scrubIntervalMs),
    eviction_policy: storage.evictionPolicy,
    eviction_scope: storage.evictionScope,
  }),
});
