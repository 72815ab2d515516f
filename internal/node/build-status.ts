/** Composes the status of a node. Pure. */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import type { RecoveryProgress } from '#engine/recovery-meter.ts';
import type { ClockStatus } from '#model/clock.ts';
import { STEP_LEVEL } from '#model/formats.ts';
import { NO_LSN, NO_POSITION } from '#model/position.ts';
import {
  type IntegrityStatus,
  type LimitsStatus,
  type MemberStatus,
  type NodeState,
  type NodeStatus,
  type Role,
  type ScrubStatus,
  STORE_UNKNOWN,
} from '#model/status.ts';
import type { WatchStatus } from '#model/watch.ts';
import { clockStatusOf, describeClockOffset } from '#node/clock-watch.ts';
import type { MasterRole } from '#node/master-role.ts';
import { describeRecovery } from '#node/recovery-watch.ts';
import type { ReplicaRole } from '#node/replica-role.ts';

export interface StatusParts {
  readonly host: EngineHost | undefined;
  readonly engine: Engine | undefined;
  readonly role: MasterRole | ReplicaRole | undefined;
  readonly progress: RecoveryProgress;
  readonly promotions: number;
  readonly integrity: IntegrityStatus & ScrubStatus;
  /** Why the state of a master is being rebuilt; empty if it is not. */
  readonly doubt: string;
  /** In a cluster: for how long no coordinator has heard this node, and why; undefined: one does. */
  readonly whyUnheard?: string | undefined;
  /** In a cluster: which limits of the configuration are not those of the group; undefined: none. */
  readonly whyOtherLimits?: string | undefined;
  /** In a cluster: why this machine has no room for the limits of the group; undefined: it has. */
  readonly whyNoRoom?: string | undefined;
  readonly isDraining: boolean;
  readonly watch: WatchStatus;
  readonly uptimeMs: number;
  readonly version: string;
  readonly binaryRole: Role;
}

export function buildStatus(parts: StatusParts): NodeStatus {
  const { host, engine, role } = parts;
  const manifest = host?.directory.manifest;
  const { state, reasons, isReady } = judge(parts);
  // During recovery there may be an engine whose log is not open yet.
  const log = role === undefined ? undefined : engine?.log;
  return {
    nodeId: manifest?.nodeId ?? '',
    role: manifest?.role ?? parts.binaryRole,
    state,
    isReady,
    reasons,
    logId: manifest?.logId ?? '',
    term: manifest?.term ?? 0,
    promotions: parts.promotions,
    position: engine?.position ?? NO_POSITION,
    durableLsn: log?.durableLsn ?? NO_LSN,
    appliedLsn: engine?.applied.lsn ?? NO_LSN,
    earliestLsn: log?.earliestLsn ?? NO_LSN,
    wal: {
      segments: log?.segmentCount ?? 0,
      bytes: log?.bytes ?? 0,
      formatLevel: engine?.formats.level ?? (manifest?.format === 2 ? STEP_LEVEL : 0),
    },
    store: engine?.store.stats() ?? STORE_UNKNOWN,
    integrity: parts.integrity,
    upstream: role?.kind === 'replica' ? role.upstream : undefined,
    replicas: role?.kind === 'master' ? role.replicas : [],
    observers: role?.kind === 'master' ? role.observers : undefined,
    delay: role === undefined ? undefined : host?.delayed?.status,
    clock: clockOf(parts),
    member: memberOf(parts),
    limits: limitsOf(parts),
    recovery: parts.progress,
    checkpoints: host?.checkpoints.status,
    watch: parts.watch,
    fill: role?.kind === 'master' ? role.master.fillStatus : undefined,
    uptimeMs: parts.uptimeMs,
    version: parts.version,
  };
}

function limitsOf({ host, whyOtherLimits, whyNoRoom }: StatusParts): LimitsStatus | undefined {
  if (host?.directory.manifest?.member === undefined) return undefined;
  return { areOthers: whyOtherLimits !== undefined, lackRoom: whyNoRoom !== undefined };
}

function judge(parts: StatusParts): { state: NodeState; reasons: string[]; isReady: boolean } {
  const { role, progress } = parts;
  if (parts.isDraining) return { state: 'draining', reasons: ['stopping'], isReady: false };
  if (role === undefined) {
    const why = parts.doubt === '' ? [] : [parts.doubt];
    return { state: 'loading', reasons: [describeRecovery(progress), ...why], isReady: false };
  }
  const reasons = [...role.reasons];
  const damage = role.keptLogDamage;
  if (damage !== undefined)
    reasons.push(`the log kept for replicas is damaged: ${damage}; they get snapshots instead`);
  const failed = parts.host?.checkpoints.status.why ?? '';
  if (failed !== '')
    reasons.push(
      `the last checkpoint failed: ${failed}; the log is kept and grows: walnut checkpoint tries again`,
    );
  if (parts.whyUnheard !== undefined) reasons.push(parts.whyUnheard);
  if (parts.whyOtherLimits !== undefined) reasons.push(parts.whyOtherLimits);
  if (parts.whyNoRoom !== undefined) reasons.push(parts.whyNoRoom);
  const clock = clockOf(parts);
  const offset = clock === undefined ? undefined : describeClockOffset(clock);
  if (offset !== undefined) reasons.push(offset);
  return { state: role.state, reasons, isReady: role.isReady };
}

function memberOf({ host, engine }: StatusParts): MemberStatus | undefined {
  const place = host?.directory.manifest?.member;
  if (place === undefined) return undefined;
  const { cluster, clusterId, node, group } = place;
  return { cluster, clusterId, node, group, owned: engine?.store.ownership.current?.owned };
}

function clockOf({ engine, role }: StatusParts): ClockStatus | undefined {
  return engine === undefined || role === undefined ? undefined : clockStatusOf(engine);
}
