/** What coordinators say of a metadata store that does not answer, or takes no changes. */
import { afterEach, describe, expect, it } from 'vitest';
import { CoordinatorDoor } from '#coordinator/coordinator-door.ts';
import { SimulatedCluster, type SimulatedCoordinator } from './simulated-cluster.ts';

let cluster: SimulatedCluster;
let active: SimulatedCoordinator;
let passive: SimulatedCoordinator;

async function begin(): Promise<void> {
  cluster = new SimulatedCluster(7);
  await cluster.begin(2);
  await cluster.clock.advance(4_000);
  active = cluster.active ?? expect.unreachable('nobody is active');
  passive = cluster.coordinators.find((each) => each !== active) ?? expect.unreachable('there is one only');
}

const doorOf = ({ coordinator, clock }: SimulatedCoordinator): CoordinatorDoor =>
  new CoordinatorDoor({ coordinator, cluster: 'test', clock });
const alarms = (): string[] =>
  doorOf(active)
    .cluster()
    .alarms.map(({ why }) => why);
const setEach = (fault: 'isCut' | 'isFull', value: boolean): void => {
  for (const { store } of cluster.coordinators) store[fault] = value;
};

const DOWN = 'the metadata store does not answer: the store does not answer';
const FULL = 'the metadata store takes no changes: no space';

afterEach(() => expect(cluster.wrongs).toEqual([]));

describe('a metadata store that does not answer', () => {
  it('is named by every coordinator and by what they refuse, until it answers', async () => {
    await begin();
    setEach('isCut', true);
    await cluster.clock.advance(8_000);
    for (const each of [active, passive]) {
      const door = doorOf(each);
      expect(door.cluster()).toMatchObject({ isActive: false, activeCoordinator: '', metadataProblem: DOWN });
      expect(door.readiness()).toMatchObject({ isReady: false, reasons: expect.arrayContaining([DOWN]) });
      await expect(cluster.drive(door.failoverGroup('g1', ''))).rejects.toMatchObject({
        code: 'unavailable',
        message: `no coordinator is known to be active, and ${DOWN}`,
      });
    }
    setEach('isCut', false);
    await cluster.advanceUntil(() => cluster.active !== undefined, 7_000);
    await cluster.clock.advance(2_000);
    for (const each of cluster.coordinators) expect(doorOf(each).cluster().metadataProblem).toBe('');
    expect(doorOf(passive).readiness().isReady).toBe(true);
  });

  it('leaves nobody known as active for longer than the key may be valid', async () => {
    await begin();
    cluster.killCoordinator(active);
    passive.store.isCut = true;
    await cluster.clock.advance(4_000);
    expect(passive.coordinator.active?.address).toBe(`${active.name}:1`);
    await cluster.clock.advance(2_000);
    expect(passive.coordinator.active).toBeUndefined();
  });
});

describe('a metadata store that takes no changes', () => {
  it('is an alarm once a step fails by it, which ends with the first change', async () => {
    await begin();
    setEach('isFull', true);
    await cluster.clock.advance(5_000);
    expect(alarms()).toEqual([]);
    cluster.member('a').kill();
    await cluster.clock.advance(5_000);
    expect(alarms()).toEqual([FULL]);
    expect(doorOf(active).readiness().reasons).toEqual([FULL]);
    setEach('isFull', false);
    await cluster.advanceUntil(() => cluster.master !== undefined, 60_000);
    await cluster.clock.advance(500);
    expect(alarms()).toEqual([]);
  });

  it('is forgotten where nobody tries again', async () => {
    await begin();
    setEach('isFull', true);
    await expect(cluster.drive(active.coordinator.requests.failoverGroup('g1', 'b'))).rejects.toThrow(
      'no space',
    );
    await cluster.clock.advance(500);
    expect(alarms()).toEqual([FULL]);
    await cluster.clock.advance(90_000);
    expect(alarms()).toEqual([]);
  });
});

describe('a coordinator that is passive again', () => {
  it('shows no alarm of the time before, nor when it acts again', async () => {
    await begin();
    for (const { name } of cluster.members.values()) cluster.network.cut(name, active.name);
    await cluster.clock.advance(4_000);
    expect(doorOf(active).readiness().reasons).toEqual([expect.stringContaining('no voter of g1 is heard')]);
    active.store.isCut = true;
    await cluster.advanceUntil(() => passive.coordinator.isActive, 10_000);
    active.store.isCut = false;
    await cluster.clock.advance(2_000);
    expect(doorOf(active).readiness()).toMatchObject({ state: 'passive', reasons: [] });
    cluster.network.heal();
    cluster.killCoordinator(passive);
    await cluster.advanceUntil(() => active.coordinator.isActive, 10_000);
    await cluster.clock.advance(300);
    expect(alarms()).toEqual([]);
  });
});
