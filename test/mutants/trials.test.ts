/** How planted bugs are tried, tried again and reported, with tests that only pretend to run. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';
import type { Mutant } from './mutant.ts';
import { isCaught, renderReport, type Trial, tryAll, type Verdict } from './trials.ts';

function bug(name: string): Mutant {
  return { name, file: `internal/${name}.ts`, text: 'a', replacement: 'b', tests: [`test/${name}.test.ts`] };
}

/** Each bug has the verdicts of its row, one after the other. */
function trier(verdicts: Readonly<Record<string, readonly Verdict[]>>) {
  const tried: string[] = [];
  const tryOne = async ({ name }: Mutant): Promise<Trial> => {
    const before = tried.filter((other) => other === name).length;
    tried.push(name);
    return {
      verdict: verdicts[name]?.[before] ?? 'caught',
      output: `output of ${name}, time ${before + 1}\n`,
    };
  };
  return { tried, tryOne };
}

it('tries once more what was not caught, after all others and one at a time', async () => {
  const { tried, tryOne } = trier({ late: ['hung'], hidden: ['NOT CAUGHT', 'NOT CAUGHT'] });
  const lines: string[] = [];
  const chosen = ['late', 'hidden', 'seen'].map(bug);
  const results = await tryAll(chosen, [tryOne, tryOne], (line) => lines.push(line));
  expect(tried).toEqual(['late', 'hidden', 'seen', 'late', 'hidden']);
  expect(lines).toEqual([
    'hung: late (1 of 3)',
    'NOT CAUGHT: hidden (2 of 3)',
    'caught: seen (3 of 3)',
    'caught: late (tried again)',
    'NOT CAUGHT: hidden (tried again)',
  ]);
  expect(results.map(isCaught)).toEqual([true, false, true]);
  expect(renderReport(results)).toBe(
    [
      '== FLAKY (hung, caught when tried again): late',
      '   in internal/late.ts, for test/late.test.ts',
      'output of late, time 1',
      '== NOT CAUGHT: hidden',
      '   in internal/hidden.ts, for test/hidden.test.ts',
      'output of hidden, time 1',
      'FLAKY (hung, caught when tried again): late',
      'NOT CAUGHT: hidden',
      '2 passed, 1 failed\n',
    ].join('\n'),
  );
});

it('tries nothing again where many were not caught', async () => {
  const chosen = ['a', 'b', 'c', 'd', 'e', 'f'].map(bug);
  const { tried, tryOne } = trier(Object.fromEntries(chosen.map(({ name }) => [name, ['no test ran']])));
  const results = await tryAll(chosen, [tryOne], () => {});
  expect(tried).toHaveLength(6);
  expect(renderReport(results)).toMatch(/no test ran: e\nno test ran: f\n0 passed, 6 failed\n$/);
});

it('reports the last 30 lines of what was not caught, and of the others the number', () => {
  const output = Array.from({ length: 40 }, (_, i) => `line ${i + 1}`).join('\n');
  const missed = { mutant: bug('missed'), verdict: 'NOT CAUGHT' as const, output, isFlaky: false };
  const seen = { mutant: bug('seen'), verdict: 'caught' as const, output, isFlaky: false };
  const report = renderReport([seen, missed]);
  expect(report).not.toContain('seen');
  expect(report.split('\n').filter((line) => line.startsWith('line '))).toEqual(output.split('\n').slice(10));
  expect(renderReport([seen])).toBe('1 passed, 0 failed\n');
});

it('says its usage', () => {
  const run = spawnSync(process.execPath, [join(ROOT, 'test/mutants/run-mutants.ts'), '--help']);
  expect(run.stdout.toString()).toMatch(/^usage: npm run test:mutants -- .*--parallel N/);
  expect(run.status).toBe(0);
});
