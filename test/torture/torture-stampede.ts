/** Processes of callers that all miss one key, against a real master. */
import { join } from 'node:path';
import { MasterProcess, withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { stampede } from './stampede.ts';
import { attempt } from './torture-links.ts';

const ROUNDS = 5;
const PROCESSES = 8;
const CALLERS = 1_000;

export async function tortureStampede(report: Report): Promise<void> {
  await attempt(report, 'stampede: again with: npm run test:torture -- --only stampede', () =>
    withScratch(async (scratch) => {
      const master = new MasterProcess({ directory: join(scratch, 'data') });
      try {
        if (!(await master.ready())) throw new Error(`the master ended: ${master.output}`);
        for (let round = 0; round < ROUNDS; round++) {
          const counts = await stampede(master.address, `page:${round}`, PROCESSES, CALLERS);
          report.counts(`stampede ${round + 1} of ${ROUNDS}`, counts);
          if (counts.fillers !== 1 || counts.served !== counts.callers)
            throw new Error('expected one filler, and every caller served');
          report.pass(counts.callers);
        }
      } finally {
        await master.destroy();
      }
    }),
  );
}
