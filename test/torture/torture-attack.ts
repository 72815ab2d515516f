/** Everything that a stranger may do to the port of a real master, with figures of what it costs others. */
import { AttackTarget, GROWTH_MIB_MAX } from './attack-target.ts';
import { ATTACKS } from './attacks.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { attempt } from './torture-links.ts';

const SCALE = { count: 1_500, holdMs: 12_000 };
/** So low that a flood takes all connections that the node has. */
const OPEN_FILES = 1_024;

export async function tortureAttack(report: Report): Promise<void> {
  for (const isTls of [false, true]) await attackAll(report, isTls);
}

async function attackAll(report: Report, isTls: boolean): Promise<void> {
  await attempt(report, 'attack: again with: npm run test:torture -- --only attack', () =>
    withScratch(async (scratch) => {
      const target = await AttackTarget.start(scratch, isTls, OPEN_FILES);
      try {
        for (const [name, attack] of Object.entries(ATTACKS)) {
          const figures = await target.measure((one) => attack(one, SCALE));
          report.counts(`${name}${isTls ? ', by TLS' : ''}`, figures);
          if (target.node.exit !== undefined) throw new Error(`the node ended: ${target.node.output}`);
          const { beforeMiB, peakMiB, failed, connectionsLeft } = figures;
          if (failed > 0 || connectionsLeft > 2 || peakMiB - beforeMiB > GROWTH_MIB_MAX)
            throw new Error(`${name}: expected no failed call, two connections and bounded memory`);
          report.pass(figures.calls);
        }
      } finally {
        await target.end();
      }
    }),
  );
}
