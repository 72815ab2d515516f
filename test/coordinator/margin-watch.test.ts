/** What a coordinator says of a group that takes writes while voters are missing. */
import { afterEach, describe, expect, it } from 'vitest';
import { SimulatedCluster } from './simulated-cluster.ts';

let cluster: SimulatedCluster;

async function begin(voters: number): Promise<void> {
  cluster = new SimulatedCluster(7, voters);
  await cluster.begin(1);
  await cluster.clock.advance(4_000);
}

function lose(...names: string[]): void {
  for (const name of names) cluster.member(name).kill();
}

const said = () => {
  const { alarms, warnings } = cluster.active?.coordinator ?? { alarms: [], warnings: [] };
  return { alarms: alarms.map(({ why }) => why), warnings };
};
const NOTHING = { alarms: [], warnings: [] };

afterEach(() => expect(cluster.wrongs).toEqual([]));

describe('a group that takes writes', () => {
  it('says nothing of a voter that is back within seconds', async () => {
    await begin(3);
    lose('c');
    await cluster.clock.advance(4_000);
    cluster.member('c').start();
    for (let ms = 0; ms < 8_000; ms += 100) {
      expect(said()).toEqual(NOTHING);
      await cluster.clock.advance(100);
    }
  });

  it.each([
    [3, 'g1 cannot lose another voter'],
    [5, 'g1 can lose 1 more voter'],
  ])('of %i voters, and lost one, has a warning that ends when it is back', async (voters, rest) => {
    await begin(voters);
    lose('c');
    await cluster.clock.advance(8_000);
    expect(said()).toEqual({ alarms: [], warnings: [`c is not heard: ${rest}`] });
    cluster.member('c').start();
    await cluster.clock.advance(1_000);
    expect(said()).toEqual(NOTHING);
  });

  it('has a warning while a voter has another disk than the one that is listed', async () => {
    await begin(3);
    cluster.network.cut('a', 'c');
    cluster.member('c').incarnation += 1;
    await cluster.clock.advance(8_000);
    expect(said().warnings).toEqual([
      expect.stringMatching(/^c has another disk than the one that is listed/),
    ]);
  });

  it.each([
    [3, ['b', 'c'], 'b is not heard and c is not heard: g1 needs 2 of its 3 voters'],
    [2, ['b'], 'b is not heard: g1 needs 2 of its 2 voters'],
    [4, ['c', 'd'], 'c is not heard and d is not heard: g1 needs 3 of its 4 voters'],
  ])('of %i voters, and lost %j, has an alarm: QUORUM is not reached', async (voters, lost, words) => {
    await begin(voters);
    lose(...lost);
    await cluster.clock.advance(5_000);
    expect(said().alarms).toEqual([]);
    await cluster.clock.advance(3_000);
    expect(said()).toEqual({
      alarms: [
        `${words}, so no write reaches QUORUM, and a could not be replaced. Start them again; ` +
          'one whose disk is gone: on an empty directory, with its name',
      ],
      warnings: [],
    });
    for (const name of lost) cluster.member(name).start();
    await cluster.clock.advance(1_500);
    expect(said()).toEqual(NOTHING);
  });

  it('has an alarm where its voters are heard, and none acks its leader', async () => {
    await begin(3);
    lose('c');
    cluster.network.cut('a', 'b');
    await cluster.clock.advance(10_000);
    expect(cluster.master?.name).toBe('a');
    expect(said().alarms).toEqual([
      expect.stringMatching(/^too few voters ack what a, the leader of g1, pushes: .*and c is not heard/),
    ]);
  });

  it('leaves the word to the alarm of its failover once its leader is lost, too', async () => {
    await begin(3);
    lose('b', 'c');
    await cluster.clock.advance(10_000);
    lose('a');
    await cluster.clock.advance(4_000);
    expect(said().alarms).toEqual([expect.stringContaining('no voter of g1 is heard (a, b, c)')]);
  });
});
