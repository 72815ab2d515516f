/**
 * A coordinator names this member the leader of a term that it granted (ADR 17, step e).
 * It is refused where anything has changed since: the coordinator then takes a higher
 * term. A repeat changes nothing, and begins no new wait before the first write.
 */
import type { LeadAnswer, LeadRequest } from '#cluster/member-port.ts';
import { type Group, majorityOf, runsOf } from '#cluster/shard-map.ts';
import { formatPosition } from '#model/position.ts';
import { checkWhom } from '#node/member/whom.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import type { LoggedMembers } from '#storage/logged-members.ts';

/** Throws `not_found` if another node is meant, `unavailable` during another change of role. */
export async function leadTerm(keeper: RoleKeeper, request: LeadRequest): Promise<LeadAnswer> {
  checkWhom(keeper.host.manifest, request);
  return keeper.exclusively('a take-over', async () => {
    const isRepeat = isLeading(keeper, request.term);
    const why = isRepeat ? undefined : whyNotLead(keeper, request);
    if (why === undefined) {
      if (!isRepeat) await keeper.lead(request.term, othersOf(request), { isGranted: true });
      keeper.served.hear(request.map);
      await stateGroup(keeper, request.map.groups.get(request.group));
    }
    return { isAccepted: why === undefined, reason: why ?? '', term: keeper.host.manifest.term };
  });
}

function isLeading({ current, host }: RoleKeeper, term: number): boolean {
  return current?.kind === 'master' && current.term === term && host.manifest.term === term;
}

function whyNotLead({ host, current }: RoleKeeper, request: LeadRequest): string | undefined {
  const { manifest, engine } = host;
  if (current === undefined || engine === undefined) return 'it has no log yet';
  if (manifest.incarnation !== request.incarnation)
    return `its incarnation is ${manifest.incarnation}, not ${request.incarnation}`;
  if (manifest.term !== request.term) return `it has granted term ${manifest.term}, not ${request.term}`;
  if (manifest.quarantine !== null) return 'it is quarantined';
  if (current.kind === 'replica' && current.doubt !== '') return `its state is in doubt: ${current.doubt}`;
  const { epoch, lsn } = engine.log.tail;
  const isSame = lsn === request.tail.lsn && epoch === request.tail.epoch;
  if (isSame && engine.durableLsn >= lsn) return undefined;
  return `its last record is ${formatPosition({ epoch, lsn })}, not ${formatPosition(request.tail)}`;
}

/** The addresses of the other members: they are told whom to follow. */
function othersOf({ map, group, node }: LeadRequest): string[] {
  const voters = map.groups.get(group)?.voters ?? [];
  return voters
    .filter((voter) => voter.node !== node)
    .flatMap((voter) => map.nodes.get(voter.node)?.address ?? []);
}

/**
 * The first member list of a log is that of the map; later ones are made by the master alone.
 * The slots that the group owns are those of the first map, too: nothing moves them yet. A map
 * without any slot says nothing of them.
 */
export async function stateGroup({ current, served }: RoleKeeper, group: Group | undefined): Promise<void> {
  if (current?.kind !== 'master' || group === undefined) return;
  await current.stateMembers(membersOf(group));
  const { map } = served;
  if (map === undefined || map.slots.length === 0) return;
  await current.stateOwnership({ mapEpoch: map.epoch, owned: runsOf(map.slots, group.id) });
}

function membersOf({ voters }: Group): LoggedMembers {
  const listed = voters.map(({ node, incarnation }) => ({ node, incarnation }));
  return { voters: listed, learners: [], quorum: majorityOf(voters.length) };
}
