/**
 * What happens to the master of a cluster of real processes. Each fault begins at once,
 * lasts for a while, and is over when its promise resolves.
 */
import { PLANNED_MS } from '#coordinator/next-step.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { pause } from './node-process.ts';
import { GROUP, type Party, type ProcessCluster } from './process-cluster.ts';

export type Fault = (cluster: ProcessCluster, master: Party, random: SeededRandom) => Promise<void>;

/** A failover takes about so long; what happens meanwhile happens at a random moment of it. */
const FAILOVER_MS = 4_500;
const LOOK_MS = 50;
const MEMBERS_OF_ETCD = [0, 1, 2];

const killMaster: Fault = async (_, master, random) => {
  await master.process.destroy();
  await pause(random.between(1_000, 6_000));
  master.restart();
};

const stopMaster: Fault = async (_, { process }, random) => {
  process.kill('SIGSTOP');
  await pause(random.between(1_000, 20_000));
  process.kill('SIGCONT');
};

const killAll: Fault = async ({ members }, _, random) => {
  await Promise.all(members.map(({ process }) => process.destroy()));
  await Promise.all(
    members.map(async (member) => {
      await pause(random.below(3_000));
      member.restart();
    }),
  );
};

const replaceDisk: Fault = async (cluster, _, random) => {
  await cluster.replaceDisk(random.pick(cluster.members));
};

/** Over when another member leads, or at the latest when a plan is given up: a coordinator may refuse it. */
const plan: Fault = async (cluster, master) => {
  const active = await cluster.active();
  const to = cluster.members.find((member) => member !== master)?.name;
  await active?.process.call('Coordinator/FailoverGroup', { group: GROUP, to });
  const endMs = Date.now() + PLANNED_MS;
  while (Date.now() < endMs && (await cluster.master()) === master) await pause(LOOK_MS);
};

/** At a random moment of a planned failover. */
const killMasterSoon: Fault = async (cluster, master, random) => {
  await pause(random.below(300));
  await killMaster(cluster, master, random);
};

const killCoordinator: Fault = async (cluster, _, random) => {
  await pause(random.below(FAILOVER_MS));
  const coordinator = (await cluster.active()) ?? cluster.coordinators[0];
  await coordinator?.process.destroy();
  await pause(random.between(500, 4_000));
  coordinator?.restart();
};

/** Long enough at times for its lease to be over. */
const stopCoordinator: Fault = async (cluster, _, random) => {
  const coordinator = (await cluster.active()) ?? cluster.coordinators[0];
  coordinator?.process.kill('SIGSTOP');
  await pause(random.between(1_000, 12_000));
  coordinator?.process.kill('SIGCONT');
};

const killEtcdMember: Fault = async ({ etcd }, _, random) => {
  const member = random.pick(MEMBERS_OF_ETCD);
  await pause(random.below(FAILOVER_MS));
  etcd?.signal(member, 'SIGKILL');
  await pause(random.between(500, 4_000));
  etcd?.restart(member);
};

const stopEtcdMember: Fault = async ({ etcd }, _, random) => {
  const member = random.pick(MEMBERS_OF_ETCD);
  await pause(random.below(FAILOVER_MS));
  etcd?.signal(member, 'SIGSTOP');
  await pause(random.between(500, 6_000));
  etcd?.signal(member, 'SIGCONT');
};

const stopEtcd: Fault = async ({ etcd }, _, random) => {
  for (const member of MEMBERS_OF_ETCD) etcd?.signal(member, 'SIGSTOP');
  await pause(random.between(3_000, 12_000));
  for (const member of MEMBERS_OF_ETCD) etcd?.signal(member, 'SIGCONT');
};

/** A voter beside the master: with the master down as well nobody can be chosen until one of them is back. */
const stopVoter: Fault = async ({ members }, master, random) => {
  const voter = random.pick(members.filter((member) => member !== master));
  voter.process.kill('SIGSTOP');
  await pause(random.between(1_000, 12_000));
  voter.process.kill('SIGCONT');
};

/** The active coordinator and etcd, for longer or shorter than the lease of the coordinator. */
const cutFromEtcd =
  (way: 'asks' | 'hears'): Fault =>
  async (cluster, _, random) => {
    const coordinator = await cluster.active();
    if (coordinator !== undefined) cluster.cutFromEtcd(coordinator, way);
    await pause(random.between(1_000, 12_000));
    cluster.heal();
  };

/** Nothing passes from a party to another one of these pairs. */
const cut =
  (
    pairs: (
      cluster: ProcessCluster,
      master: Party,
      random: SeededRandom,
    ) => readonly (readonly [Party, Party])[],
  ): Fault =>
  async (cluster, master, random) => {
    for (const [from, to] of pairs(cluster, master, random)) cluster.cut(from, to);
    await pause(random.between(1_000, 10_000));
    cluster.heal();
  };

/** Over when each of them is: one that goes on would start processes which nobody ends. */
const bothAtOnce =
  (...faults: readonly Fault[]): Fault =>
  async (cluster, master, random) => {
    const over = await Promise.allSettled(faults.map((fault) => fault(cluster, master, random.fork())));
    const failed = over.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  };

const othersOf = (parties: readonly Party[], one: Party): Party[] => parties.filter((each) => each !== one);
const from = (one: Party, parties: readonly Party[]): [Party, Party][] =>
  othersOf(parties, one).map((other) => [one, other]);
const to = (one: Party, parties: readonly Party[]): [Party, Party][] =>
  othersOf(parties, one).map((other) => [other, one]);

/** About a third of all links, each one way. */
const someLinks = cut(({ parties }, _, random) =>
  parties.flatMap((party) => from(party, parties)).filter(() => random.chance(0.3)),
);

export const FAULTS: Readonly<Record<string, Fault>> = {
  'the master is killed': killMaster,
  'nothing that is sent to the master arrives': cut(({ parties }, master) => to(master, parties)),
  'the master is stopped': stopMaster,
  'nothing that the master sends arrives': cut(({ parties }, master) => from(master, parties)),
  'the master is cut off': cut(({ parties }, master) => [...from(master, parties), ...to(master, parties)]),
  'the master and its voters are cut apart': cut(({ members }, master) => [
    ...from(master, members),
    ...to(master, members),
  ]),
  'the master and the coordinators are cut apart': cut(({ coordinators }, master) => [
    ...from(master, coordinators),
    ...to(master, coordinators),
  ]),
  'all members are killed': killAll,
  'the disk of a member is replaced': replaceDisk,
  'a failover is planned, and the master killed': bothAtOnce(plan, killMasterSoon),
  'a failover is planned': plan,
  'the master is killed, and the active coordinator during the failover': bothAtOnce(
    killMaster,
    killCoordinator,
  ),
  'the master is stopped, and the active coordinator killed during the failover': bothAtOnce(
    stopMaster,
    killCoordinator,
  ),
  'the active coordinator is stopped': stopCoordinator,
  'the master and the active coordinator are stopped': bothAtOnce(stopMaster, stopCoordinator),
  'the master is killed while a voter is stopped': bothAtOnce(killMaster, stopVoter),
  'some links are cut one way': someLinks,
};

/** Beside those above, where the store is an etcd of three members. */
export const ETCD_FAULTS: Readonly<Record<string, Fault>> = {
  'the master is killed, and a member of etcd during the failover': bothAtOnce(killMaster, killEtcdMember),
  'the master is cut off, and a member of etcd stopped during the failover': bothAtOnce(
    cut(({ parties }, master) => [...from(master, parties), ...to(master, parties)]),
    stopEtcdMember,
  ),
  'all members of etcd are stopped': stopEtcd,
  'the master is killed, and all members of etcd are stopped': bothAtOnce(killMaster, stopEtcd),
  'the master is killed, and nothing that the active coordinator asks arrives at etcd': bothAtOnce(
    killMaster,
    cutFromEtcd('asks'),
  ),
  'the master is killed, and no answer of etcd arrives at the active coordinator': bothAtOnce(
    killMaster,
    cutFromEtcd('hears'),
  ),
};
