/**
 * The files under deploy/ agree with the program: metrics and runbooks exist, flags are taken,
 * configuration loads, ports and routes are the served ones.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { BINARY_KINDS, type BinaryKind, commandOf } from '#config/binaries.ts';
import { loadConfig } from '#config/load-config.ts';
import { parseNodeFlags } from '#config/node-flags.ts';
import { operationOf } from '#model/methods.ts';
import { STOP_SIGNALS } from '#platform/shutdown-signals.ts';
import { EXIT_CODES } from '../../cmd/run/exit-codes.ts';
import { COMMAND_FILES } from '../../cmd/walnut/command-table.ts';
import { start } from '../server/running.ts';
import { ROOT, readText } from './source-files.ts';

const OPERATIONS = readText('docs/operations.md');
const PATHS = filesBelow('deploy');
const GIB = 1_073_741_824;

function filesBelow(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

/** The rows of every table of metrics in the documents: name and type. */
const DOCUMENTED = new Map<string, string>();
for (const line of [OPERATIONS, ...['docs/cluster.md', 'docs/gateway.md'].map(readText)]
  .join('\n')
  .split('\n')) {
  const [, names = '', type = ''] =
    /^\| ((?:`[a-z0-9_]+`(?:, )?)+) \| (counter|gauge|histogram) \|/.exec(line) ?? [];
  for (const [, name = ''] of names.matchAll(/`([a-z0-9_]+)`/g)) DOCUMENTED.set(name, type);
}
for (const [, name = ''] of OPERATIONS.matchAll(/`(walnut_drill_[a-z_]+)`/g)) DOCUMENTED.set(name, 'gauge');

/** Metrics in an expression that no process has. */
function unknownMetrics(expression: string): string[] {
  const named = expression.match(/\b(?:walnut|process)_[a-z0-9_]+/g) ?? [];
  return named.filter((name) => {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    return !DOCUMENTED.has(name) && DOCUMENTED.get(family) !== 'histogram';
  });
}

/** The anchors that GitHub makes of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}

const ALERTS = (
  parse(readText('deploy/prometheus/alerts.yaml')) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);

describe.each(ALERTS)('the alert $alert', ({ alert, expr, labels, annotations }) => {
  it('asks for metrics that there are', () => {
    expect(expr).toMatch(/\b(walnut|process)_|^up\b/);
    expect(unknownMetrics(expr)).toEqual([]);
  });

  it('has a severity, texts and a runbook that is there', () => {
    expect(['critical', 'warning']).toContain(labels['severity']);
    expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook', 'summary']);
    const [file, anchor] = annotations['runbook']?.split('#') ?? [];
    expect(file).toBe('docs/operations.md');
    expect(anchorsOf(OPERATIONS)).toContain(anchor);
  });

  it('is in the table of docs/operations.md, with severity and runbook', () => {
    const row = OPERATIONS.split('\n').filter(
      (line) => line.startsWith('| `W') && line.includes(`\`${alert}\``),
    );
    expect(row).toHaveLength(1);
    const [, names = '', severities = '', link] = row[0]?.split('|') ?? [];
    const at = names.split(',').findIndex((name) => name.trim() === `\`${alert}\``);
    const all = severities.split(',').map((severity) => severity.trim());
    expect(all[at] ?? all[0]).toBe(labels['severity']);
    expect(`docs/operations.md${/\((#.*)\)/.exec(link ?? '')?.[1]}`).toBe(annotations['runbook']);
  });
});

describe('the alerts', () => {
  it('are clean by promtool, where that is installed, with the configuration that loads them', ({ skip }) => {
    const args = ['check', 'config', 'deploy/prometheus/prometheus.yaml'];
    const run = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' });
    skip(run.error !== undefined, 'promtool is not installed');
    expect([run.status, run.stderr]).toEqual([0, '']);
  });

  it('are those of the table, and no two have one name', () => {
    const listed = OPERATIONS.split('\n')
      .filter((line) => line.startsWith('| `Walnut'))
      .flatMap((line) => [...line.matchAll(/`(Walnut\w+)`/g)].map(([, name]) => name));
    expect(ALERTS.map(({ alert }) => alert).sort()).toEqual(listed.sort());
  });

  it('have runbooks that name commands of the tool only', () => {
    const chapter = OPERATIONS.split('\n## Alerts\n')[1]?.split('\n## ')[0] ?? '';
    const named = [...chapter.matchAll(/`walnut ([a-z-]+)/g)].map(([, name]) => name);
    const known = COMMAND_FILES.flatMap(({ names }) => names);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !known.includes(name ?? ''))).toEqual([]);
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}

describe('the dashboard', () => {
  const dashboard = JSON.parse(readText('deploy/grafana/walnut.json')) as {
    panels: Panel[];
    templating: { list: { query: string | { query: string } }[] };
    annotations: { list: { expr: string }[] };
  };
  const charts = dashboard.panels.filter(({ type }) => type !== 'row');

  it('asks for metrics that there are, by the node, gateway or coordinator that is chosen', () => {
    const expressions = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const others = [...dashboard.templating.list, ...dashboard.annotations.list].map((one) =>
      JSON.stringify(one),
    );
    expect([...expressions, ...others].flatMap(unknownMetrics)).toEqual([]);
    const metrics = expressions.join('\n').match(/\b(?:walnut|process)_[a-z0-9_]+/g) ?? [];
    const chosen = /\{(?:group=~"\$group",instance=~"\$instance"|instance=~"\$(?:gateway|coordinator)")[,}]/g;
    expect(expressions.join('\n').match(chosen)).toHaveLength(metrics.length);
    for (const kind of ['gateway', 'coordinator'])
      for (const expr of expressions.filter((each) => each.includes(`walnut_${kind}_`)))
        expect(expr).toContain(`{instance=~"$${kind}"`);
  });

  it('has panels that say what they show, each once and within the width', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { title, description = '', gridPos, targets = [] } of charts) {
      expect([title, description === '', targets.length > 0]).toEqual([title, false, true]);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
  });
});

/** Loads the configuration that a command and an environment result in; throws where the program would refuse it. */
function configOf(command: readonly string[], env: Readonly<Record<string, string>>) {
  const kind = BINARY_KINDS.find((one) => `bin/${commandOf(one)}.cjs` === command[0]) as BinaryKind;
  const flags = parseNodeFlags(command.slice(1));
  if (flags.kind !== 'run') throw new Error(`${command.join(' ')}: ${JSON.stringify(flags)}`);
  const text =
    flags.configFile === undefined ? '' : readText(`configs/${flags.configFile.split('/').at(-1)}`);
  return loadConfig({
    kind,
    file: flags.configFile ?? '',
    text,
    env,
    sets: flags.sets,
    memoryLimitBytes: GIB,
  });
}

const DOCKERFILE = readText('deploy/docker/Dockerfile');
const instruction = (name: string): string[] =>
  [...DOCKERFILE.replaceAll('\\\n', ' ').matchAll(new RegExp(`^${name} +(.*)$`, 'gm'))].map(
    ([, rest = '']) => rest,
  );

describe('the image', () => {
  const env = Object.fromEntries(
    instruction('ENV')
      .flatMap((line) => line.trim().split(/\s+/))
      .map((pair) => pair.split('=')),
  );
  const command = JSON.parse(instruction('CMD').at(-1) ?? '') as string[];

  it('starts a node as an ordinary user, without a shell, where signals reach it', () => {
    const config = configOf(command, env);
    expect(config).toMatchObject({ kind: 'master', server: { address: '0.0.0.0' }, log: { format: 'json' } });
    const [volume = ''] = instruction('VOLUME');
    expect(config).toHaveProperty('wal.directory', expect.stringMatching(new RegExp(`^${volume}/`)));
    expect(instruction('USER')).toEqual(['10001:10001']);
    expect(instruction('ENTRYPOINT')).toEqual(['["node"]']);
    expect(STOP_SIGNALS).toContain(instruction('STOPSIGNAL')[0]);
  });

  it('exposes the port of the configuration, and looks at a route that answers while a node recovers', () => {
    expect(instruction('EXPOSE')).toEqual([String(configOf(command, env).server.port)]);
    const [, script = ''] = /CMD \["node", "(.*)"\]/.exec(instruction('HEALTHCHECK')[0] ?? '') ?? [];
    const [, path = ''] = /path = '(.*?)'/.exec(readText(script)) ?? [];
    expect(operationOf(path)).toMatchObject({ access: 'health', isServedDraining: true });
  });

  it('has every file that it names, and nothing else', () => {
    const copied = instruction('COPY')
      .filter((line) => !line.startsWith('--from'))
      .flatMap((line) => line.split(' ').slice(0, -1));
    const allowed = readText('deploy/docker/Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect([...new Set(copied)].sort()).toEqual(allowed.sort());
    const programs = [...DOCKERFILE.matchAll(/bin\/[\w.-]+\.cjs/g)].map(([path]) => path);
    for (const path of [...copied, ...programs])
      expect(() => readdirSync(join(ROOT, path, '..'))).not.toThrow();
    expect(programs.filter((path) => !readdirSync(join(ROOT, 'bin')).includes(path.slice(4)))).toEqual([]);
  });
});

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}

describe('the health check', () => {
  it('tells a process that answers from one that does not', async () => {
    const running = await start();
    const check = async (port: number): Promise<number | null> => {
      const child = spawn(process.execPath, [join(ROOT, 'deploy/docker/healthcheck.cjs'), String(port)]);
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    };
    expect(await check(running.server.port)).toBe(0);
    await running.server.close(0);
    expect(await check(running.server.port)).toBe(1);
  });
});

describe('the compose file', () => {
  const { services } = parse(readText('deploy/docker/compose.yaml'), { merge: true }) as {
    services: Record<string, Service>;
  };
  const image = JSON.parse(instruction('CMD').at(-1) ?? '') as string[];
  const nodes = Object.entries(services).filter(([, { image: name }]) => name === 'walnut');

  it.each(nodes)(
    'starts %s with a configuration that loads, and others find it by its name',
    (name, service) => {
      const config = configOf(service.command ?? image, {
        WALNUT_SERVER__ADDRESS: '0.0.0.0',
        ...service.environment,
      });
      expect(config).toMatchObject({ server: { advertise: `${name}:8080`, port: 8080 } });
      const others = nodes
        .map(([other]) => `${other}:8080`)
        .filter((address) => !address.startsWith(`${name}:`));
      expect(config).toHaveProperty('replication.replicas', others);
      if (config.kind === 'slave') expect(config.master.address).toBe('master:8080');
      expect(service).toMatchObject({
        read_only: true,
        stop_grace_period: '15s',
        volumes: [`${name}:/var/lib/walnut`],
      });
    },
  );

  it('publishes on this machine only', () => {
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('mounts files that are there', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map((one) => one.split(':')[0] ?? ''),
    );
    const files = mounted.filter((path) => path.startsWith('.'));
    expect(files.length).toBeGreaterThan(2);
    for (const path of files)
      expect(PATHS.some((one) => one.startsWith(join('deploy/docker', path)))).toBe(true);
  });

  it('is what Prometheus scrapes', () => {
    const { scrape_configs: scraped, rule_files: rules } = parse(
      readText('deploy/prometheus/prometheus.yaml'),
    ) as {
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
      rule_files: string[];
    };
    expect(scraped[0]?.job_name).toBe('walnut');
    expect(scraped[0]?.static_configs[0]?.targets).toEqual(nodes.map(([name]) => `${name}:8080`));
    expect(rules.map((path) => `deploy/prometheus/${path}`).filter((path) => !PATHS.includes(path))).toEqual(
      [],
    );
  });
});

describe('the compose file of a cluster', () => {
  const { services } = parse(readText('deploy/docker/cluster.yaml'), { merge: true }) as {
    services: Record<string, Service>;
  };
  const processes = Object.entries(services).filter(([, { command }]) => command?.[0] !== 'bin/walnut.cjs');

  it.each(processes)('starts %s with a configuration that loads', (name, { command = [], ...service }) => {
    const config = configOf(command, { WALNUT_SERVER__ADDRESS: '0.0.0.0', ...service.environment });
    expect(service).toMatchObject({
      read_only: true,
      stop_grace_period: '15s',
      volumes: [`${name}:/var/lib/walnut`],
    });
    if (config.kind === 'node') {
      expect(config).toMatchObject({ cluster: { node: name }, server: { advertise: `${name}:8080` } });
      expect(config).toHaveProperty('cluster.coordinators', ['coordinator:8070']);
    } else if (config.kind === 'gateway') {
      expect(config).toHaveProperty('gateway.coordinators', ['coordinator:8070']);
      expect(service.ports).toEqual([`127.0.0.1:${config.server.port}:${config.server.port}`]);
    } else expect(config).toMatchObject({ kind: 'coordinator', server: { port: 8070 } });
  });

  it('makes groups of the nodes that it starts', () => {
    const { command = [] } = services['init'] ?? {};
    expect(command.slice(0, 5).join(' ')).toBe('bin/walnut.cjs cluster init --coordinators coordinator:8070');
    const members = command.flatMap((word) => /^g\d=(.*)$/.exec(word)?.[1]?.split(',') ?? []);
    expect(members).toEqual(Object.keys(services).filter((name) => name.startsWith('node-')));
  });
});

describe('the unit of systemd', () => {
  const unit = readText('deploy/systemd/walnut@.service');
  const directive = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

  it.each(['master', 'slave', 'node', 'coordinator', 'gateway'])(
    'starts a %s by a program that is there',
    (name) => {
      const [node, program = '', ...flags] = directive('ExecStart').replaceAll('%i', name).split(' ');
      expect([node, parseNodeFlags(flags).kind]).toEqual(['/usr/bin/node', 'run']);
      expect(readdirSync(join(ROOT, 'bin'))).toContain(program.replace('/opt/walnut/bin/', ''));
    },
  );

  it('does not start again after an exit code that an operator must see, and gives a stop its time', () => {
    const { config, directory, storage } = EXIT_CODES;
    expect(directive('RestartPreventExitStatus')).toBe([config, directory, storage].join(' '));
    expect(Number(directive('TimeoutStopSec'))).toBeGreaterThan(9.5);
  });

  it('reads its file again by the signal that a process without a terminal takes for that', () => {
    const [program, signal] = directive('ExecReload').split(' ');
    expect([program, `SIG${signal?.slice(1)}`]).toEqual(['/bin/kill', 'SIGHUP']);
    expect(readText('bin/launch.cjs')).toContain('isHangUp ? isServer');
  });

  it('gives each directive once, except filters', () => {
    const keys = [...unit.matchAll(/^([A-Z]\w+)=/gm)]
      .map(([, key]) => key)
      .filter((key) => key !== 'SystemCallFilter');
    expect(keys.length).toBe(new Set(keys).size);
  });
});

describe('every other file under deploy/', () => {
  it.each(PATHS.filter((path) => /\.(yaml|json)$/.test(path) && !path.includes('/templates/')))(
    '%s can be parsed',
    (path) => {
      expect(parse(readText(path))).toBeInstanceOf(Object);
    },
  );

  it('is in the table of deploy/README.md', () => {
    const readme = readText('deploy/README.md');
    const missing = PATHS.filter((path) => {
      const name = path.replace('deploy/', '');
      return (
        !['README.md', 'docker/healthcheck.cjs', 'docker/Dockerfile.dockerignore'].includes(name) &&
        !name.startsWith('grafana/provisioning/') &&
        !name.startsWith('helm/walnut/templates/') &&
        !readme.includes(`(${name})`)
      );
    });
    expect(missing).toEqual([]);
  });
});
