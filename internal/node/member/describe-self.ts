/** The heartbeat of a member: how it is now. */
import type { Heartbeat, MemberRole, NodeReport, PlainPlace } from '#cluster/heartbeat.ts';
import type { Engine } from '#engine/engine.ts';
import { FORMAT_LEVEL } from '#model/formats.ts';
import { NO_POSITION } from '#model/position.ts';
import { QUORUM_VOTERS_MIN } from '#node/doors/default-level.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import type { Clock } from '#platform/clock.ts';
import type { Manifest } from '#wal/manifest.ts';

/** A write that takes longer counts as a disk that hangs. */
const STALLED_MS = 3_000;

export interface Counted {
  readonly process: string;
  readonly sequence: number;
  readonly mapEpoch: number;
  readonly keptMapEpoch: number;
  readonly oldestWriteMs: number;
}

type Role = MasterRole | ReplicaRole | undefined;

export function describeSelf(
  keeper: RoleKeeper,
  member: MemberOptions,
  options: Pick<NodeOptions, 'version' | 'limits' | 'clock'>,
  counted: Counted,
): Heartbeat {
  const { host, current, advertise } = keeper;
  const { manifest } = host;
  const { process, sequence, mapEpoch, keptMapEpoch, oldestWriteMs } = counted;
  const engine = current === undefined ? undefined : host.engine;
  return {
    ...{ process, sequence, mapEpoch, keptMapEpoch },
    clusterName: member.cluster,
    clusterId: manifest.member?.clusterId ?? '',
    node: member.node,
    group: manifest.member?.group ?? '',
    incarnation: manifest.incarnation ?? 0,
    address: advertise,
    zone: member.zone,
    role: roleOf(manifest, current),
    term: current?.kind === 'master' && current.isTakingWrites ? current.term : manifest.term,
    tail: engine?.durablePosition ?? NO_POSITION,
    whyNoWrites: whyNoWrites(current, oldestWriteMs),
    ackedByVoters: current?.kind === 'master' ? (current.lease?.voters ?? 0) : 0,
    lastAck: current?.kind === 'replica' ? current.lastAck : undefined,
    logId: manifest.logId,
    voters: current?.kind === 'master' ? current.listedVoters : [],
    logVoters: engine?.store.members.current?.voters ?? [],
    owned: engine?.store.ownership.current?.owned,
    plain: plainOf(manifest, keeper.siblings),
    votersMin: member.durability === undefined ? 0 : QUORUM_VOTERS_MIN,
    report: {
      version: options.version,
      formatLevel: FORMAT_LEVEL,
      state: current?.state ?? 'loading',
      reasons: current?.reasons ?? [],
      links: linksOf(keeper, options.clock),
      oldestWriteMs,
      ...loadOf(engine),
      bytesMax: (engine?.store.limits ?? options.limits).bytesMax,
    },
  };
}

/** A directory with a log that no cluster has given a group has been one of a plain group. */
function plainOf({ member, logId, role }: Manifest, siblings: readonly string[]): PlainPlace | undefined {
  if (member?.group !== '' || logId === '') return undefined;
  return { isMaster: role === 'master', replicas: role === 'master' ? siblings : [] };
}

/** A replica hears the leader of its term alone, a master all that answer its pushes. */
function linksOf({ current, host, served }: RoleKeeper, clock: Clock): NodeReport['links'] {
  if (current?.kind === 'master')
    return [...current.heard].map(([node, atMs]) => ({ node, agoMs: clock.monotonicMs() - atMs }));
  const { leader, term } = served.map?.groups.get(host.manifest.member?.group ?? '') ?? {};
  const { lastAck } = current ?? {};
  if (leader === undefined || lastAck === undefined || lastAck.term !== term) return [];
  return [{ node: leader.node, agoMs: lastAck.agoMs }];
}

/** A master that has given its term up is no master any more. */
function roleOf({ member }: Manifest, role: Role): MemberRole {
  if (member === undefined || member.group === '') return 'unassigned';
  return role?.kind === 'master' && role.isTakingWrites ? 'master' : 'replica';
}

/** Empty if nothing keeps it from writing, or would if it led. */
function whyNoWrites(role: Role, oldestWriteMs: number): string {
  if (role === undefined) return 'it is loading';
  if (oldestWriteMs > STALLED_MS) return `a write has been under way for ${Math.round(oldestWriteMs)} ms`;
  if (role.kind === 'master') return role.whyNoWrites;
  const { state } = role;
  const isUnfit = state === 'loading' || state === 'quarantined' || state === 'no_space';
  return isUnfit ? (role.reasons[0] ?? state) : '';
}

function loadOf(engine: Engine | undefined): { entries: number; bytes: number } {
  const { entries = 0, bytes = 0 } = engine?.store.stats() ?? {};
  return { entries, bytes };
}
