/** The random faults of the simulation, and one run of a group under them. */
import { HEARTBEAT_MS, SILENCE_MS } from '#cluster/figures.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

const FAULTS = 12;
/** How long everything may take to serve again when all faults are over: the longest back-off, and a failover. */
const HEALED_MS = 75_000;
/** How many voters the group of a seed has. */
const VOTERS = [3, 5, 3, 2, 3, 4];

type Fault = (cluster: SimulatedCluster) => void;

const later = (cluster: SimulatedCluster, end: () => void): void => {
  cluster.clock.after(200 + cluster.random.below(6_000), end);
};
const anyone = (cluster: SimulatedCluster): string => cluster.random.pick([...cluster.members.keys()]);
const anyProcess = (cluster: SimulatedCluster): string =>
  cluster.random.pick([...cluster.members.keys(), ...cluster.coordinators.map(({ name }) => name)]);

const planned = (cluster: SimulatedCluster): void => {
  cluster.active?.coordinator.requests.failoverGroup('g1', anyone(cluster)).catch(() => {});
};

export const HAPPENINGS: Readonly<Record<string, Fault>> = {
  'a member is killed': (cluster) => {
    const member = cluster.member(anyone(cluster));
    if (!member.isRunning) return;
    member.kill();
    later(cluster, () => member.start());
  },
  'the master is killed': (cluster) => {
    const { master } = cluster;
    if (master === undefined) return;
    master.kill();
    later(cluster, () => master.start());
  },
  'a member is stopped': (cluster) => {
    const member = cluster.member(anyone(cluster));
    member.clock.pause();
    later(cluster, () => member.clock.resume());
  },
  'the machine of the master sleeps': (cluster) => {
    const member = cluster.master;
    if (member === undefined) return;
    member.clock.pause();
    const fromMs = cluster.clock.monotonicMs();
    later(cluster, () => {
      member.slept(cluster.clock.monotonicMs() - fromMs);
      member.clock.resume();
    });
  },
  'a link is cut one way': (cluster) => cluster.network.cut(anyProcess(cluster), anyProcess(cluster)),
  'a process is cut off': (cluster) => cluster.isolate(anyProcess(cluster)),
  'one member is alone with the coordinators': (cluster) => {
    const name = anyone(cluster);
    for (const other of cluster.members.keys()) {
      if (other === name) continue;
      for (const away of [name, ...cluster.coordinators.map((each) => each.name)]) {
        cluster.network.cut(other, away);
        cluster.network.cut(away, other);
      }
    }
  },
  'the links are mended': (cluster) => cluster.network.heal(),
  'the active coordinator is killed': (cluster) => {
    const { active } = cluster;
    if (active === undefined) return;
    cluster.killCoordinator(active);
    cluster.addCoordinator();
  },
  'the active coordinator is stopped': (cluster) => {
    const { active } = cluster;
    active?.clock.pause();
    later(cluster, () => active?.clock.resume());
  },
  'a coordinator loses the store': (cluster) => {
    const { store } = cluster.random.pick(cluster.coordinators);
    store.isCut = true;
    later(cluster, () => {
      store.isCut = false;
    });
  },
  'the store drops the active coordinator': (cluster) => {
    cluster.depose().catch(() => {});
  },
  'answers of the store are lost': (cluster) => {
    for (const { store } of cluster.coordinators) store.lossChance = 0.4;
    later(cluster, () => {
      for (const { store } of cluster.coordinators) store.lossChance = 0;
    });
  },
  'the disk of a member is replaced': (cluster) => {
    const member = cluster.member(anyone(cluster));
    // With another failure, or with one voter left of two, QUORUM is out of reach for good.
    if (cluster.members.size === 2) return;
    if ([...cluster.members.values()].some(({ incarnation }) => incarnation > 1)) return;
    member.kill();
    member.wipe();
    later(cluster, () => member.start());
  },
  'a member cannot write': (cluster) => {
    const member = cluster.member(anyone(cluster));
    member.isSick = true;
    later(cluster, () => {
      member.isSick = false;
    });
  },
  'a node drains': (cluster) => {
    const node = anyone(cluster);
    const set = (status: 'active' | 'draining'): void => {
      cluster.active?.coordinator.requests.setNodeStatus(node, status).catch(() => {});
    };
    set('draining');
    later(cluster, () => set('active'));
  },
  'the master refuses to hand over': (cluster) => {
    const { master } = cluster;
    if (master === undefined) return;
    master.refusesPlans = true;
    later(cluster, () => {
      master.refusesPlans = false;
    });
    planned(cluster);
  },
  'a hand-over arrives late': (cluster) => {
    cluster.handOversLateMs = 500 + cluster.random.below(15_000);
    // Longer than a plan may take.
    cluster.clock.after(11_000, () => {
      cluster.handOversLateMs = 0;
    });
    planned(cluster);
  },
  'a failover is planned': (cluster) => planned(cluster),
};

/**
 * The group fails over after its store was copied, and then a coordinator works on the
 * copy. Heartbeats reach it late or never, or soon and the old master only it; it reaches the
 * members. It changes nothing until an operator recovers the map.
 */
export async function runOlderStore(cluster: SimulatedCluster): Promise<void> {
  await cluster.begin(1);
  const copy = await cluster.copyStore();
  const { master } = cluster;
  const isCutOff = cluster.random.chance(0.5);
  if (isCutOff) cluster.isolate(master?.name ?? '');
  else master?.kill();
  const isFollowed = (): boolean => cluster.master !== undefined && cluster.master !== master;
  await cluster.advanceUntil(isFollowed, 10_000);
  if (!isCutOff) master?.start();
  await cluster.clock.advance(500 + cluster.random.below(3_000));
  const coordinator = await cluster.restoreStore(copy);
  cluster.note(`the store is restored from the copy${isCutOff ? `, and ${master?.name} is cut off` : ''}`);
  await cluster.advanceUntil(() => coordinator.coordinator.isActive, 10_000);
  // The rule of the runbook: with a master that nobody else reaches, every other node is heard.
  for (const name of cluster.members.keys())
    cluster.heartbeatsFromMs.set(
      name,
      cluster.clock.monotonicMs() + cluster.random.below(isCutOff ? SILENCE_MS - 2 * HEARTBEAT_MS : 6_000),
    );
  await cluster.clock.advance(12_000);
  cluster.network.heal();
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
  if (coordinator.coordinator.alarms.length === 0) cluster.wrongs.push('there is no alarm');
  const changed = (await cluster.copyStore()).find(({ key }) => key.endsWith('/epoch'))?.value;
  const before = copy.find(({ key }) => key.endsWith('/epoch'))?.value;
  if (`${changed}` !== `${before}`) cluster.wrongs.push('the older store was changed');
  await recover(cluster);
  if (cluster.wrongs.length > 0) throw new Error(cluster.wrongs.join('; '));
}

/** An operator recovers the map, while a coordinator or a member may die. The group serves again, with what was acked. */
async function recover(cluster: SimulatedCluster): Promise<void> {
  const victim = anyProcess(cluster);
  cluster.clock.after(cluster.random.below(3_000), () => {
    const member = cluster.members.get(victim);
    cluster.note(`${victim} is killed`);
    if (member === undefined) {
      for (const each of cluster.coordinators) cluster.killCoordinator(each);
      cluster.addCoordinator();
      return;
    }
    member.kill();
    cluster.clock.after(3_000, () => member.start());
  });
  let isRecovered = false;
  for (let tries = 0; !isRecovered && tries < 40 && cluster.wrongs.length === 0; tries++) {
    await cluster.clock.advance(500);
    // Once it was done without an answer, nothing is left to do.
    isRecovered = await cluster
      .drive(
        cluster.active?.coordinator.requests.recover('', true) ?? Promise.reject(new Error('nobody acts')),
      )
      .then(
        () => true,
        (error: Error) => error.message.startsWith('nothing is to be recovered'),
      );
  }
  cluster.note('the map is recovered');
  const acked = cluster.acked.size;
  await cluster.advanceUntil(() => cluster.acked.size > acked || cluster.wrongs.length > 0, HEALED_MS);
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
}

export function clusterOf(seed: number): SimulatedCluster {
  return new SimulatedCluster(seed, VOTERS[seed % VOTERS.length]);
}

/** Throws with what was wrong: two masters, a write that was lost, or a group that does not serve again. */
export async function runFaults(cluster: SimulatedCluster): Promise<void> {
  await cluster.begin();
  for (let i = 0; i < FAULTS && cluster.wrongs.length === 0; i++) {
    const [what, happen] = cluster.random.pick(Object.entries(HAPPENINGS));
    cluster.note(what);
    happen(cluster);
    await cluster.clock.advance(100 + cluster.random.below(3_000));
  }
  await cluster.clock.advance(7_000);
  cluster.network.heal();
  cluster.note('all faults are over');
  const isServing = (): boolean => cluster.wrongs.length > 0 || cluster.master !== undefined;
  await cluster.advanceUntil(isServing, HEALED_MS);
  const acked = cluster.acked.size;
  await cluster.advanceUntil(() => cluster.acked.size > acked || cluster.wrongs.length > 0, 10_000);
  if (cluster.master !== undefined) cluster.checkKept(cluster.master);
  cluster.wrongs.push(...cluster.history.violations());
  if (cluster.wrongs.length > 0) throw new Error(cluster.wrongs.join('; '));
}
