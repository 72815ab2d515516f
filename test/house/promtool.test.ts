/** Prometheus' own tool on the files under deploy/, where it is installed: what it cannot read, and when alerts fire. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT, readText } from './source-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'walnut-promtool-'));
const isMissing = spawnSync('promtool', ['--version'], { stdio: 'ignore' }).error !== undefined;
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs `promtool` on a file with this content; JSON is YAML. */
function promtool(args: readonly string[], content: object): { status: number | null; said: string } {
  const file = join(directory, 'file.yaml');
  writeFileSync(file, JSON.stringify(content));
  const { status, stdout, stderr } = spawnSync('promtool', [...args, file], { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

describe.skipIf(isMissing)('promtool', () => {
  it('reads every expression of the dashboard', () => {
    const { panels } = JSON.parse(readText('deploy/grafana/walnut.json')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    const rules = panels
      .flatMap(({ targets = [] }) => targets)
      .map(({ expr }, i) => ({ record: `panel${i}`, expr: expr.replaceAll('$__rate_interval', '5m') }));
    const checked = promtool(['check', 'rules'], { groups: [{ name: 'dashboard', rules }] });
    expect(checked).toEqual({ status: 0, said: expect.stringContaining(`${rules.length} rules found`) });
  });

  it('lets calls and operations of Batches alert that go on failing, and no session that was told once of a discarded history', () => {
    const series = (instance: string, code: string, values: string, counter = 'rpc_handled') => ({
      series: `walnut_${counter}_total{instance="${instance}",method="walnut.v1.KVStore/Get",code="${code}"}`,
      values,
    });
    const firing = (alertname: string, instance: string) => ({
      labels: `{alertname="${alertname}",instance="${instance}"}`,
      value: 1,
    });
    const test = {
      interval: '15s',
      input_series: [
        series('broken', 'internal', '0+1x100'),
        series('kept', 'data_loss', '0+1x100'),
        series('once', 'data_loss', '0x4 3x100'),
        series('batched', 'internal', '1x100'),
        series('batched', 'internal', '0+1x100', 'batch_operations'),
        { series: 'walnut_gateway_map_age_seconds{instance="left"}', values: '0+15x100' },
        { series: 'walnut_gateway_group_held{instance="waiting",group="g1"}', values: '1x100' },
        { series: 'walnut_gateway_group_held{instance="waiting",group="g2"}', values: '1x100' },
      ],
      promql_expr_test: [
        {
          expr: 'sum by (alertname, instance) (ALERTS{alertstate="firing"})',
          eval_time: '15m',
          exp_samples: [
            firing('WalnutCallsFail', 'batched'),
            firing('WalnutCallsFail', 'broken'),
            firing('WalnutGroupWithoutWrites', 'waiting'),
            firing('WalnutNoActiveCoordinator', 'left'),
            firing('WalnutPositionsDiscarded', 'kept'),
          ],
        },
      ],
    };
    const rules = join(ROOT, 'deploy/prometheus/alerts.yaml');
    const content = { rule_files: [rules], evaluation_interval: '15s', tests: [test] };
    expect(promtool(['test', 'rules'], content)).toEqual({
      status: 0,
      said: expect.stringContaining('SUCCESS'),
    });
  });
});
