/**
 * The short form of `npm run test:torture -- --only cluster-processes`: a coordinator on a
 * file and three members. How long nobody took writes is printed.
 */
import { expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { runRound } from './cluster-rounds.ts';
import { withScratch } from './master-process.ts';
import { ProcessCluster } from './process-cluster.ts';

const FAULT = 'the master is killed';
const TIMEOUT_MS = 120_000;

it.skipIf(process.platform !== 'linux')(
  'a cluster of real processes loses its master by SIGKILL: writes flow again, nothing that reached QUORUM is lost, and every history is linearizable',
  () =>
    withScratch(async (directory) => {
      const random = new SeededRandom(1);
      const cluster = await ProcessCluster.start({ directory, random, etcd: undefined });
      try {
        const round = await runRound(cluster, 1, FAULT);
        console.info(`${FAULT}: ${Math.round(round.gapMs)} ms without an acknowledged write`);
        expect(round.hasFailedOver).toBe(true);
        expect(round.acked).toBeGreaterThan(50);
        expect(round.reads).toBeGreaterThan(20);
      } finally {
        await cluster.destroy();
      }
    }),
  TIMEOUT_MS,
);
