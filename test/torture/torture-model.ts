/** The keys' API against a plain map (`test/node/api-model.ts`), from consecutive seeds: at least 100,000 operations. */
import { checkApi } from '#test/node/api-model.ts';
import { FAILURES_MAX, type Report } from './report.ts';

const OPERATIONS_MIN = 100_000;
/** Sequences of operations from one seed. */
const RUNS = 50;
const PROGRESS_MS = 30_000;

export async function tortureModel(report: Report, firstSeed: number): Promise<void> {
  const startMs = Date.now();
  let toldMs = startMs;
  let operations = 0;
  let seed = firstSeed;
  report.say(`model: seeds from ${firstSeed}, at least ${OPERATIONS_MIN} operations`);
  for (; operations < OPERATIONS_MIN && report.failed < FAILURES_MAX; seed++) {
    try {
      const done = await checkApi(seed, RUNS);
      operations += done;
      report.pass(done);
    } catch (error) {
      report.fail(
        `again with: WALNUT_SEED=${seed} WALNUT_MODEL_RUNS=${RUNS} npm test -- test/node/api-model`,
        error,
      );
    }
    if (Date.now() - toldMs < PROGRESS_MS) continue;
    toldMs = Date.now();
    report.say(`model: ${operations} operations`);
  }
  const tookS = Math.round((Date.now() - startMs) / 1_000);
  report.say(`model: ${operations} operations from seeds ${firstSeed} to ${seed - 1}, ${tookS} s`);
}
