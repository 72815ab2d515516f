/** The short form of `npm run test:torture -- --only attack`: a real master, and a client that must not notice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AttackTarget, GROWTH_MIB_MAX } from './attack-target.ts';
import { ATTACKS } from './attacks.ts';

let directory = '';
let target: AttackTarget;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-attack-'));
  target = await AttackTarget.start(directory);
}, 60_000);
afterAll(async () => {
  await target.end();
  await rm(directory, { recursive: true });
});

it.each(Object.entries(ATTACKS))(
  '%s take neither memory nor connections for good, nor an answer from others',
  async (_name, attack) => {
    const { beforeMiB, peakMiB, calls, failed, connectionsLeft } = await target.measure((one) =>
      attack(one, { count: 40, holdMs: 150 }),
    );
    expect(target.node.exit).toBeUndefined();
    expect([calls > 0, failed]).toEqual([true, 0]);
    expect(connectionsLeft).toBeLessThanOrEqual(2);
    expect(peakMiB - beforeMiB).toBeLessThan(GROWTH_MIB_MAX);
  },
  60_000,
);
