/** A client over the death of a master: every call settles, and counters say what calls said. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCli } from '#test/cli/memory-io.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { expectReady } from '#test/torture/link-group.ts';
import { withScratch } from '#test/torture/master-process.ts';
import { NodeProcess, pause } from '#test/torture/node-process.ts';
import { connect } from '../../client/connect.ts';
import type { CallError } from '../../client/failures.ts';

const TIMEOUT_MS = 120_000;
const KEYS = ['a', 'b', 'c', 'd'];
/** Calls of each key that are answered before the master is killed, and after another leads. */
const CALLS = 25;

it(
  'a client goes on with the promoted replica, and nothing is counted twice or lost',
  async () => {
    await withScratch(async (directory) => {
      const master = await launch('master', directory, '');
      const replica = await launch('slave', directory, master.address);
      const walnut = connect({ addresses: [master.address, replica.address], timeoutMs: 30_000 });
      const told = KEYS.map(() => ({ done: 0, unknown: 0, refused: 0 }));
      let isOver = false;
      let isPromoted = false;
      const count = async (key: string, counts: { done: number; unknown: number; refused: number }) => {
        while (!isOver) {
          try {
            const wait = isPromoted ? {} : { minAcks: 1, timeoutMs: 2_000 };
            const { replicasAcked } = await walnut.increment(key, wait);
            // What the replica has, or its new log, is there in the end.
            if (isPromoted || replicasAcked > 0) counts.done++;
            else counts.unknown++;
          } catch (error) {
            if ((error as CallError).outcome === 'not_done') counts.refused++;
            else counts.unknown++;
          }
        }
      };
      const running = KEYS.map((key, i) => count(key, told[i] as (typeof told)[number]));
      const least = (): number => Math.min(...told.map(({ done }) => done));
      try {
        await until(() => least() >= CALLS);
        await master.destroy();
        const { code, err } = await runCli(['promote', '--address', replica.address]);
        expect([code, err]).toEqual([0, expect.anything()]);
        isPromoted = true;
        const before = least();
        await until(() => least() >= before + CALLS);
      } finally {
        isOver = true;
        await Promise.all(running);
      }
      for (const [i, key] of KEYS.entries()) {
        const { done, unknown } = told[i] as (typeof told)[number];
        const sum = Number(Buffer.from((await walnut.get(key)).value).toString());
        expect(sum).toBeGreaterThanOrEqual(done);
        expect(sum).toBeLessThanOrEqual(done + unknown);
        // A position that only the dead master had is told once.
        expect(unknown).toBeLessThanOrEqual(3);
      }
      await walnut.close();
      await replica.destroy();
    });
  },
  TIMEOUT_MS,
);

async function launch(binary: 'master' | 'slave', directory: string, master: string): Promise<NodeProcess> {
  const sets = [`wal.directory=${join(directory, binary)}`, `server.port=${await freePort()}`];
  if (master !== '') sets.push(`master.address=${master}`);
  const node = new NodeProcess({ binary, sets });
  await expectReady(node);
  return node;
}

async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 60_000; !condition(); await pause(20))
    if (Date.now() > endMs) throw new Error('not within a minute');
}
