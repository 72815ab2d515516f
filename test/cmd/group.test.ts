/** The real `npm start`: three nodes in a directory with copies of `configs/` on free ports. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { LAUNCHER } from '#test/doubles/binaries.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { ROOT } from '#test/house/source-files.ts';
import { findFreePort } from '../../cmd/local/ports.ts';
import { areFree, Demos } from './local-demo.ts';
import { eventually, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
const groups = new Demos('cmd/group.ts');
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await groups.end();
  await nodes.end();
});

const NAMES = ['master', 'slave-1', 'slave-2'];

interface Place {
  readonly directory: string;
  readonly ports: readonly number[];
}

/** Creates a working directory with copies of the shipped files, whose ports are replaced by free ones. */
async function place(): Promise<Place> {
  const directory = await nodes.directory();
  await mkdir(join(directory, 'configs'));
  const ports = [await freePort(), await freePort(), await freePort()];
  for (const name of NAMES) {
    const text = await readFile(join(ROOT, 'configs', `${name}.yaml`), 'utf8');
    const moved = text.replace(/808([012])/g, (_, index: string) => String(ports[Number(index)]));
    await writeFile(join(directory, 'configs', `${name}.yaml`), moved);
  }
  return { directory, ports };
}

async function listenOn(port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}

/** Runs the tool with these arguments, which must succeed. */
async function typed({ directory }: Place, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [LAUNCHER, 'cmd/walnut.ts', ...args], { cwd: directory });
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(0);
}

async function put(port: number, key: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/v1/keys/${key}`, { method: 'PUT', body: 'x' })).status;
}

/** Waits until all of these nodes have the key. */
async function onAll(ports: readonly number[], key: string): Promise<void> {
  for (const port of ports) {
    const read = async () => (await fetch(`http://127.0.0.1:${port}/v1/keys/${key}`)).status === 200;
    await eventually(read, `the key ${key} on ${port}`);
  }
}

/** Makes the first replica the master. */
async function failover([port = 0, replica = 0]: readonly number[]): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/walnut.v1.Admin/Failover`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: `127.0.0.1:${replica}` }),
  });
  expect(response.status).toBe(200);
}

const STARTED = 'Ctrl-C stops all three';
const PLAYED = 120_000;

describe.skipIf(process.platform === 'win32')('npm start', () => {
  const firstPortOf = async ({ ports }: Place): Promise<number> =>
    (await findFreePort(ports.map((port) => ({ host: '127.0.0.1', port })))) ?? 0;

  it(
    'starts a group on the ports of its files, stops it on Ctrl-C, and finds data and master again, on other ports too',
    async () => {
      const there = await place();
      const [port = 0, replica = 0] = there.ports;
      const first = groups.start(there.directory);
      await first.says(STARTED);
      expect(first.output).toContain(`curl -X PUT --data-binary hello 127.0.0.1:${port}/v1/keys/greeting`);
      expect(await put(port, 'a')).toBe(201);
      const beside = groups.start((await place()).directory, ['--port', String(port)]);
      const free = await firstPortOf(there);
      const elsewhere = groups.start(there.directory, ['--port', String(free)]);
      expect((await beside.ended).code).toBe(1);
      expect(beside.output).toContain('a Walnut node answers');
      expect((await elsewhere.ended).code).toBe(1);
      expect(elsewhere.output).toContain('data/master is in use by another process');
      expect(elsewhere.output).toContain(`type: npm start -- --port ${free}\n`);
      await failover(there.ports);
      await first.stop();
      expect(first.output).toContain('Stopped; the data is in ./data');
      await areFree(there.ports);
      const log = join(there.directory, 'data', 'master.log');
      const before = await readFile(log, 'utf8');
      expect(before).toContain('"stopped"');

      const second = groups.start(there.directory);
      await second.says(STARTED);
      expect(second.output).toContain(
        `curl -X PUT --data-binary hello 127.0.0.1:${replica}/v1/keys/greeting`,
      );
      expect((await fetch(`http://127.0.0.1:${replica}/v1/keys/a`)).status).toBe(200);
      expect(await put(replica, 'b')).toBe(201);
      expect((await readFile(log, 'utf8')).startsWith(before)).toBe(true);
      await second.stop();
      const base = await firstPortOf(there);
      const moved = groups.start(there.directory, ['--port', String(base)]);
      await moved.says(STARTED);
      expect(await put(base + 1, 'c')).toBe(201);
      await moved.stop();
    },
    PLAYED,
  );

  // After 0 ms nothing runs, after 700 some of it, after 1,500 all, and perhaps not ready.
  it.each([0, 700, 1_500])(
    'leaves nothing running where it is stopped after %i ms',
    async (ms) => {
      const there = await place();
      const demo = groups.start(there.directory);
      await demo.says('Starting a master');
      await new Promise((resolve) => setTimeout(resolve, ms));
      await demo.stop();
      await areFree(there.ports);
    },
    PLAYED,
  );

  it.skipIf(process.platform !== 'linux').each(['launcher', 'group'] as const)(
    'stops its nodes when SIGKILL ends the %s',
    async (which) => {
      const there = await place();
      const demo = groups.start(there.directory);
      await demo.says(STARTED);
      const launcher = demo.child.pid ?? 0;
      const children = await readFile(`/proc/${launcher}/task/${launcher}/children`, 'utf8');
      process.kill(which === 'launcher' ? launcher : Number(children.trim()), 'SIGKILL');
      await areFree(there.ports);
      // The group process writes the logs, so nothing is logged after its end.
      if (which === 'group') return;
      for (const name of NAMES) {
        const log = join(there.directory, 'data', `${name}.log`);
        await eventually(async () => (await readFile(log, 'utf8')).includes('"stopped"'), `${name} stopped`);
      }
    },
    PLAYED,
  );

  it(
    'names other ports that work as typed, says once of a quarantined replica what to type, which works, and how a node ended',
    async () => {
      const there = await place();
      await listenOn(there.ports[1] ?? 0);
      const refused = groups.start(there.directory);
      expect((await refused.ended).code).toBe(1);
      expect(refused.output).toContain(`Port ${there.ports[1]} is taken`);
      const [, advised = ''] = /^Take other ports: npm start -- (--port \d+)$/m.exec(refused.output) ?? [];
      const args = advised.split(' ');
      const port = Number(args[1]);
      const ports = [port, port + 1, port + 2];
      const first = groups.start(there.directory, args);
      await first.says(STARTED);
      expect(await put(port, 'a')).toBe(201);
      expect(first.output).toContain(`npm run -s walnut -- status --address 127.0.0.1:${port}`);
      await onAll(ports, 'a');
      await first.stop();

      await rm(join(there.directory, 'data', 'master'), { recursive: true });
      const second = groups.start(there.directory, args);
      await second.says(STARTED);
      await second.says('slave-1 is quarantined');
      expect(second.output).toContain(`npm run -s walnut -- quarantine list --address 127.0.0.1:${ports[1]}`);
      expect(second.output.split('slave-1 is quarantined')).toHaveLength(2);
      expect(second.output).not.toContain('quarantined: quarantined');
      // The advised command is run while all three nodes run, because none of them can be
      // stopped alone.
      const [, promote = ''] = /npm run -s walnut -- (promote .*)$/m.exec(second.output) ?? [];
      await typed(there, promote.split(' '));
      await onAll(ports, 'a');
      await second.stop();

      await rm(join(there.directory, 'data', 'slave-2', 'MANIFEST'));
      const third = groups.start(there.directory, args);
      expect((await third.ended).code).toBe(1);
      expect(third.output).toContain('slave-2 ended: exit code 3');
      expect(third.output).toContain('MANIFEST is missing');
      expect(third.output).toContain('npm run -s walnut -- wal verify');
      await areFree(ports);
    },
    PLAYED,
  );

  it.each<[string, (there: Place) => Promise<unknown>, NodeJS.ProcessEnv, string]>([
    [
      'a missing file',
      ({ directory }) => rm(join(directory, 'configs', 'slave-1.yaml')),
      {},
      'configs/slave-1.yaml: cannot read',
    ],
    [
      'a broken file',
      ({ directory }) => writeFile(join(directory, 'configs', 'master.yaml'), 'server: [\n'),
      {},
      'configs/master.yaml:',
    ],
    ['one port for all', async () => undefined, { WALNUT_SERVER__PORT: '9080' }, 'npm start -- --port 9080'],
  ])(
    'refuses %s with exit code 2, what to type and no stack',
    async (_, spoil, env, message) => {
      const there = await place();
      await spoil(there);
      const demo = groups.start(there.directory, [], env);
      expect((await demo.ended).code).toBe(2);
      expect(demo.output).toContain(message);
      expect(demo.output).toContain('npm start');
      expect(demo.output).not.toMatch(/^ {4}at /m);
    },
    PLAYED,
  );
});
