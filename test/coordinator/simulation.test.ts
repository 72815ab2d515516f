/**
 * A group under coordinators, with random faults of everything at once.
 * `WALNUT_SEEDS=500` runs more of them, `WALNUT_SEED=17` runs one.
 */
import { describe, expect, it } from 'vitest';
import { SimulatedCluster } from './simulated-cluster.ts';

const SEEDS_DEFAULT = 30;
const SEED_MS_MAX = 10_000;
const TRACE_LINES = 60;
const FAULTS = 12;
/** How long everything may take to serve again when all faults are over: the longest back-off, and a failover. */
const HEALED_MS = 75_000;

const one = process.env['WALNUT_SEED'];
const count = Number(process.env['WALNUT_SEEDS'] ?? SEEDS_DEFAULT);
const seeds = one === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(one)];

type Fault = (cluster: SimulatedCluster) => void;

const later = (cluster: SimulatedCluster, end: () => void): void => {
  cluster.clock.after(200 + cluster.random.below(6_000), end);
};
const anyone = (cluster: SimulatedCluster): string => cluster.random.pick([...cluster.members.keys()]);
const anyProcess = (cluster: SimulatedCluster): string =>
  cluster.random.pick([...cluster.members.keys(), ...cluster.coordinators.map(({ name }) => name)]);

const HAPPENINGS: Readonly<Record<string, Fault>> = {
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
  'a process is cut off': (cluster) => {
    const name = anyProcess(cluster);
    for (const other of [...cluster.members.keys(), ...cluster.coordinators.map((each) => each.name)]) {
      cluster.network.cut(name, other);
      cluster.network.cut(other, name);
    }
  },
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
    // Another failure at the same time may lose what was acked.
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
  'a failover is planned': (cluster) => {
    cluster.active?.coordinator.requests.failoverGroup('g1', anyone(cluster)).catch(() => {});
  },
};

async function run(cluster: SimulatedCluster): Promise<void> {
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
  expect(cluster.wrongs).toEqual([]);
}

async function runSeed(seed: number): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster(seed, seed % 4 === 0 ? 5 : 3);
  try {
    await run(cluster);
    return cluster;
  } catch (error) {
    const trace = cluster.trace.slice(-TRACE_LINES).join('\n  ');
    const why = (error as Error).message;
    throw new Error(`seed ${seed}, again with WALNUT_SEED=${seed}: ${why}\n  ${trace}`, { cause: error });
  }
}

describe('a group under coordinators and random faults', () => {
  it(
    `never has two masters, keeps what was acked at QUORUM, and serves again (${seeds.length} seeds)`,
    async () => {
      const happened = new Set<string>();
      let failovers = 0;
      for (const seed of seeds) {
        const cluster = await runSeed(seed);
        for (const line of cluster.trace) happened.add(line.replace(/^\d+ ms: /, ''));
        failovers += cluster.trace.filter((line) => line.includes(' leads term ')).length;
      }
      if (seeds.length < SEEDS_DEFAULT) return;
      // A run in which a fault never happened proves nothing about it.
      for (const what of Object.keys(HAPPENINGS)) expect(happened, what).toContain(what);
      expect(failovers).toBeGreaterThan(2 * seeds.length);
    },
    seeds.length * SEED_MS_MAX,
  );
});
