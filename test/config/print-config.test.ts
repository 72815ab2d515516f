import { expect, it } from 'vitest';
import { loadConfig, loadWithOrigins } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

it('says behind each key where it was set, where that is asked for', () => {
  const source = {
    text: `wal: { directory: d }\nserver:\n  port: 1\n  allowed_hosts: [a, b]\n  tls: { mode: off }\n`,
    env: { WALNUT_LOG__LEVEL: 'warn' },
    sets: ['server.slow_log.threshold=2s'],
  };
  const { config, origins } = loadWithOrigins({ kind: 'master', file: 'f.yaml', ...source });
  const printed = printConfig(config, origins);
  for (const line of [
    'port: 1 # f.yaml:3:9',
    'address: 127.0.0.1 # default',
    'directory: d # f.yaml:1:19',
    'level: warn # WALNUT_LOG__LEVEL',
    'threshold: 2s # --set server.slow_log.threshold',
    'mode: off # f.yaml:5:16',
    '# f.yaml:4:18',
  ])
    expect(printed.split('\n').map((text) => text.trim())).toContain(line);
  expect(loadConfig({ kind: 'master', file: 'again', text: printed })).toEqual(config);
});
