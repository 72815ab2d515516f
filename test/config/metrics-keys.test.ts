/** `metrics.otlp`: the same for every binary, nothing of it without a collector, and no credential in clear text. */
import { describe, expect, it } from 'vitest';
import { BINARY_KINDS, keyNamesOf } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { loadConfig } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';

const MASTER = 'wal:\n  directory: "/d"\n';
const load = (otlp: string, more = '') =>
  loadConfig({ kind: 'master', file: 'm.yaml', text: `${MASTER}metrics:\n  otlp: {${otlp}}\n${more}` });

function problemsOf(otlp: string): readonly string[] {
  try {
    load(otlp);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const CLEAR = 'endpoint: "http://collector.example:4318"';
const TLS = 'endpoint: "https://collector.example/otlp?tenant=7"';

describe('the keys of metrics.otlp', () => {
  it('are taken by every binary', () => {
    const names = new Set(
      [...'endpoint interval headers_file ca cert key'.split(' ')].map((name) => `otlp.${name}`),
    );
    for (const kind of BINARY_KINDS) expect(keyNamesOf(kind)['metrics']).toEqual(names);
  });

  it.each([
    '',
    CLEAR,
    `endpoint: "https://collector.example/otlp", interval: 1m, headers_file: "/h", ca: "/a", cert: "/c", key: "/k"`,
    'endpoint: "http://127.0.0.1:9090/api/v1/otlp/v1/metrics", headers_file: "/h"',
  ])('load what they print: %s', (otlp) => {
    const config = load(otlp);
    expect(loadConfig({ kind: 'master', file: 'm.yaml', text: printConfig(config) })).toEqual(config);
  });

  it('print and refuse no credential of a URL', () => {
    const printed = printConfig(load('endpoint: "https://collector.example/otlp?token=secret"'));
    expect(printed).toContain('endpoint: https://collector.example/otlp?HIDDEN\n');
    for (const url of ['https://u:secret@collector', 'collector:4318?token=secret'])
      expect(problemsOf(`endpoint: "${url}"`)).toEqual([expect.not.stringContaining('secret')]);
  });

  it('let a credential go in clear text where that is allowed', () => {
    expect(() => load(`${CLEAR}, headers_file: "/h"`, 'auth:\n  allow_clear_text: true\n')).not.toThrow();
  });

  it.each([
    ['interval: 1m', 'metrics.otlp.interval: expected metrics.otlp.endpoint beside it'],
    ['ca: "/a"', 'metrics.otlp.ca: expected metrics.otlp.endpoint beside it'],
    [`${CLEAR}, ca: "/a"`, 'metrics.otlp.ca: expected https in metrics.otlp.endpoint beside it'],
    [`${CLEAR}, headers_file: "/h"`, 'would go to collector.example:4318 in clear text'],
    [`${TLS}, cert: "/c"`, 'metrics.otlp.key: missing: expected a file in PEM'],
    [`${TLS}, interval: 100ms`, 'from 1s to 1h'],
    ['endpoint: "collector:4318"', 'expected the URL of a collector such as'],
    ['endpoint: "https://u:p@collector"', 'without a user, a password or a fragment'],
    ['endpoint: "ftp://collector"', 'expected the URL'],
    ['endpoint: "https://"', 'expected the URL'],
  ])('refuse %s', (otlp, problem) => {
    expect(problemsOf(otlp)).toEqual([expect.stringContaining(problem)]);
  });
});
