/**
 * The keys of a member's configuration that are those of its group: its log states them for all
 * members, and the file of one counts for the first start of the group only. Later they are
 * changed at the leader, by `walnut config`.
 */
import type { NodeConfig, NodeKind } from '#config/binaries.ts';
import { printedKeys } from '#config/print-config.ts';
import type { StoreLimits } from '#model/entry.ts';
import { type MemoryPlan, whyNoRoom } from '#platform/memory-plan.ts';
import type { GroupKeys, Settings } from '../run/settings.ts';
import { toLimits } from './to-node-options.ts';

const KEYS = ['max_entries', 'max_memory', 'default_ttl', 'eviction_policy', 'eviction_scope'].map(
  (key) => `storage.${key}`,
);

interface LimitsPort {
  readonly inForce: StoreLimits | undefined;
  change(limits: StoreLimits): Promise<void>;
}

export function groupKeys(
  settings: Pick<Settings<NodeKind>, 'config'>,
  limits: LimitsPort,
): GroupKeys<NodeKind> {
  return {
    keys: KEYS,
    inForce: () => limits.inForce && printed(settings.config, limits.inForce),
    change: ({ storage }) => {
      const { defaultTtlMs } = storage;
      return limits.change({ ...toLimits(storage), ...(defaultTtlMs === 0 ? {} : { defaultTtlMs }) });
    },
  };
}

/** The limits by key, as a file that states them would. */
function printed(config: NodeConfig, limits: StoreLimits): Map<string, string> {
  const storage = {
    ...config.storage,
    entriesMax: limits.entriesMax,
    memoryBytesMax: limits.bytesMax,
    defaultTtlMs: limits.defaultTtlMs ?? 0,
    evictionPolicy: limits.policy,
    evictionScope: limits.scope ?? 'all',
  };
  const all = printedKeys({ ...config, storage });
  return new Map(KEYS.map((key) => [key, all.get(key) ?? '']));
}

/** For operators; undefined where nothing is overruled. */
export function describeOverruled(overruled: Settings<NodeKind>['overruled']): string | undefined {
  if (overruled.length === 0) return undefined;
  const stated = overruled.map(({ key, stated, inForce }) => `${key} ${stated} (its group has ${inForce})`);
  const changes = overruled.map(({ key, stated }) => `${key}=${stated}`).join(' ');
  return (
    `limits of the configuration are not in force: ${stated.join(', ')}. To have them in the whole group: ` +
    `walnut config ${changes} at its leader; to keep those of the group, write them into the file`
  );
}

/** For operators: why a member's machine has no room for the limit of its group; undefined where it has. */
export function describeNoRoom(memory: MemoryPlan, bytesMax: number): string | undefined {
  const why = whyNoRoom(memory, bytesMax);
  return (
    why && `the limits of the group do not fit this machine: ${why}; walnut config lowers those at its leader`
  );
}
