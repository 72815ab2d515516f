/** The short form of `npm run test:torture -- --only attack`: a real master, and a client that must not notice. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttackTarget, GROWTH_MIB_MAX } from './attack-target.ts';
import { ATTACKS, type Attack } from './attacks.ts';

/** Those that are another matter by TLS; the long form has all. */
const BY_TLS = [
  'slow bodies of strangers',
  'answers that nobody reads',
  'streams that are reset',
  'handshakes without an end',
];

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-attack-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe.each([
  ['in clear text', false, Object.keys(ATTACKS)],
  ['by TLS', true, BY_TLS],
] as const)('%s', (kind, isTls, names) => {
  let target: AttackTarget;
  beforeAll(async () => {
    const own = join(directory, kind);
    await mkdir(own);
    target = await AttackTarget.start(own, isTls);
  }, 60_000);
  afterAll(() => target.end());

  it.each(names)(
    '%s take neither memory nor connections for good, nor an answer from others',
    async (name) => {
      const attack = ATTACKS[name] as Attack;
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
});
