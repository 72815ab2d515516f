/** The chart under deploy/helm agrees with itself and with the program, as far as that shows without Helm. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { BinaryKind } from '#config/binaries.ts';
import { loadConfig } from '#config/load-config.ts';
import { operationOf } from '#model/methods.ts';
import { COMMAND_FILES } from '../../cmd/walnut/command-table.ts';
import { ROOT, readText } from './source-files.ts';

const CHART = 'deploy/helm/walnut';
const TEMPLATES = readdirSync(join(ROOT, CHART, 'templates')).map(
  (name) => [name, readText(`${CHART}/templates/${name}`)] as const,
);
const ALL = TEMPLATES.map(([, text]) => text).join('\n');
const values = parse(readText(`${CHART}/values.yaml`)) as Record<string, unknown>;

/** What `{{ … }}` has, without its braces and the signs that eat blanks. */
const actionsIn = (text: string): string[] =>
  [...text.matchAll(/\{\{-?\s*(.*?)\s*-?\}\}/gs)].map(([, action = '']) => action);

function valueAt(path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], values);
}

describe.each(TEMPLATES)('the template %s', (_name, text) => {
  it('ends every block that it begins', () => {
    const words = actionsIn(text).map((action) => action.split(/\s/)[0] ?? '');
    const begun = words.filter((word) => ['if', 'range', 'with', 'define'].includes(word)).length;
    expect(words.filter((word) => word === 'end')).toHaveLength(begun);
    expect(text.split('{{').length).toBe(text.split('}}').length);
  });

  it('asks for values that there are', () => {
    const asked = actionsIn(text).flatMap((action) =>
      [...action.matchAll(/\.Values\.([\w.]+)/g)].map(([, path = '']) => path),
    );
    expect(asked.filter((path) => valueAt(path) === undefined)).toEqual([]);
  });

  it('includes what is defined', () => {
    const defined = actionsIn(ALL).flatMap((action) => /^define "(.*)"/.exec(action)?.[1] ?? []);
    const included = actionsIn(text).flatMap((action) =>
      [...action.matchAll(/include "(.*?)"/g)].map(([, name = '']) => name),
    );
    expect(included.filter((name) => !defined.includes(name))).toEqual([]);
  });
});

describe('the chart', () => {
  it('has the version of the program', () => {
    const chart = parse(readText(`${CHART}/Chart.yaml`)) as { appVersion: string };
    const { version } = JSON.parse(readText('package.json')) as { version: string };
    expect(chart.appVersion).toBe(version);
  });

  it.each<[BinaryKind, string, string]>([
    ['node', 'nodeConfig', 'node.yaml'],
    ['coordinator', 'coordinatorConfig', 'coordinator.yaml'],
    ['gateway', 'gatewayConfig', 'gateway.yaml'],
  ])('starts a %s with a configuration that loads', (kind, name, template) => {
    const text = readText(`${CHART}/templates/${template}`);
    const env = Object.fromEntries(
      [...text.matchAll(/- name: (WALNUT_\w+)/g)].map(([, variable]) => [variable, 'a:1']),
    );
    expect(Object.keys(env)).toContain('WALNUT_SERVER__ADVERTISE');
    const config = loadConfig({ kind, file: name, text: JSON.stringify(values[name]), env });
    expect(config.server).toMatchObject({ address: '0.0.0.0', advertise: 'a:1' });
    expect(text).toContain(`args: ["bin/walnut-${kind}.cjs", "--config", "/etc/walnut/${template}"]`);
    expect(readText(`${CHART}/templates/config.yaml`)).toContain(`  ${template}: |`);
  });

  it('runs commands and programs that there are', () => {
    const programs = [...ALL.matchAll(/bin\/[\w.-]+\.cjs/g)].map(([path]) => path.slice('bin/'.length));
    expect(programs.filter((program) => !readdirSync(join(ROOT, 'bin')).includes(program))).toEqual([]);
    const commands = [...ALL.matchAll(/bin\/walnut\.cjs (\w+) (\w+)/g)].map(
      ([, command, sub]) => `${command} ${sub}`,
    );
    expect(new Set(commands)).toEqual(new Set(['cluster drain', 'cluster status', 'cluster init']));
    expect(COMMAND_FILES.flatMap(({ names }) => names)).toContain('cluster');
  });

  it('is clean by Helm, where that is installed, with one group, and with several and gateways', ({
    skip,
  }) => {
    const helm = (...args: string[]) => spawnSync('helm', args, { cwd: ROOT, encoding: 'utf8' });
    skip(helm('version').error !== undefined, 'helm is not installed');
    const several = ['--set', 'groups={g1,g2}', '--set', 'gateway.replicas=2'];
    const names = [[], several].map((sets) => {
      expect(helm('lint', CHART, ...sets).stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
      const rendered = helm('template', 'rel', CHART, '--kube-version', '1.31.0', ...sets);
      expect(rendered.stderr).toBe('');
      const objects = parseAllDocuments(rendered.stdout).map((document) => document.toJS());
      return objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    });
    expect(names[0]).not.toContain('Deployment rel-gateway');
    expect(names[1]).toEqual(
      expect.arrayContaining(['StatefulSet rel-g1', 'StatefulSet rel-g2', 'Deployment rel-gateway']),
    );
  });

  it('asks probes of routes that everybody may call', () => {
    const probed = [...ALL.matchAll(/healthcheck\.cjs".*?("(\/\w+)")?\]/g)].map(
      ([, , path = '/livez']) => path,
    );
    expect(probed).toEqual(['/livez', '/readyz', '/livez', '/readyz', '/livez', '/readyz']);
    for (const path of probed) expect(operationOf(path).access).toBe('health');
  });

  it('runs without privileges, on a read-only root, and gives a stop its time', () => {
    expect(ALL.match(/securityContext: \{\{- include "walnut\.podSecurity"/g)).toHaveLength(4);
    expect(ALL.match(/securityContext: \{\{- include "walnut\.containerSecurity"/g)).toHaveLength(4);
    expect(ALL).toContain('readOnlyRootFilesystem: true');
    expect(values['terminationGracePeriodSeconds']).toBeGreaterThan(10 + 9.5);
  });
});
