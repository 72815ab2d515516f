/** The real `npm run cluster:ha`: a coordinator and three nodes in a directory with copies of `configs/`. */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freeRow } from '#test/doubles/free-ports.ts';
import { ROOT } from '#test/house/source-files.ts';
import { HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { areFree, Demos } from './local-demo.ts';
import { eventually, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
const clusters = new Demos('cmd/cluster-ha.ts');
afterEach(async () => {
  await clusters.end();
  await nodes.end();
});

async function place(): Promise<string> {
  const directory = await nodes.directory();
  await cp(join(ROOT, 'configs'), join(directory, 'configs'), { recursive: true });
  return directory;
}

const onPort = (port: number): string[] => ['--port', String(port)];
const COUNT = 4;
const COUNT_ON_ETCD = 7;

describe.skipIf(process.platform === 'win32')('npm run cluster:ha', () => {
  it('makes a cluster, refuses what is taken, stops on Ctrl-C, and finds the data again on other ports', async () => {
    const directory = await place();
    const port = await freeRow(COUNT);
    const ports = Array.from({ length: COUNT }, (_, index) => port + index);
    const first = clusters.start(directory, onPort(port));
    await first.says('Ctrl-C stops them all');
    expect(first.output).toMatch(/^node-\d +g1 +master +1 +held /m);
    const [, url = ''] = /curl -X PUT --data-binary hello (\S+)$/m.exec(first.output) ?? [];
    expect((await fetch(`http://${url}`, { method: 'PUT', body: 'hello' })).status).toBe(201);

    const elsewhere = await freeRow(COUNT);
    const again = clusters.start(directory, onPort(elsewhere));
    const other = clusters.start(await place(), onPort(port));
    expect((await again.ended).code).toBe(1);
    expect(again.output).toContain('data/cluster-ha/node-1 is in use by another process');
    expect(again.output).toContain(`type: npm run cluster:ha -- --port ${elsewhere}\n`);
    expect((await other.ended).code).toBe(1);
    expect(other.output).toContain(`Port ${port} is taken`);
    expect(other.output).toMatch(/^Take other ports: npm run cluster:ha -- --port \d+$/m);

    await first.stop();
    expect(first.output).toContain('Stopped; the data is in ./data/cluster-ha');
    await areFree(ports);
    for (const name of ['coordinator', 'node-1', 'node-2', 'node-3'])
      expect(await readFile(join(directory, `data/cluster-ha/${name}.log`), 'utf8')).toContain('"stopped"');

    const second = clusters.start(directory, onPort(elsewhere));
    await second.says('Ctrl-C stops them all');
    for (const index of [1, 2, 3]) {
      const read = async () => {
        const answer = await fetch(`http://127.0.0.1:${elsewhere + index}/v1/keys/greeting`);
        return answer.status === 200 && (await answer.text()) === 'hello';
      };
      await eventually(read, `the value on node-${index}`);
    }
    await second.stop();
  }, 240_000);

  it('keeps the cluster in three members of etcd, and goes on with them on other ports', async (context) => {
    if (!HAS_ETCD) return context.skip('SKIPPED: no etcd here');
    const directory = await place();
    const first = clusters.start(directory, ['--etcd', ...onPort(await freeRow(COUNT_ON_ETCD))]);
    await first.says('Ctrl-C stops them all');
    expect(first.output).toMatch(/^etcd-3 +etcd +127\.0\.0\.1:\d+ +\d+$/m);
    const [, member = ''] = /^To kill a member of etcd, .*: kill -9 (\d+)$/m.exec(first.output) ?? [];
    process.kill(Number(member), 'SIGKILL');
    const [, url = ''] = /curl -X PUT --data-binary hello (\S+)$/m.exec(first.output) ?? [];
    // The member may have led etcd, without which no lease is renewed for a moment.
    const write = async () => (await fetch(`http://${url}`, { method: 'PUT', body: 'hello' })).ok;
    await eventually(write, 'the value is written');
    await first.says('etcd-1 ended: SIGKILL. It is started again in 10 s.');
    await first.stop();
    expect(first.output).toContain('Stopped; the data is in ./data/cluster-ha-etcd');

    const port = await freeRow(COUNT_ON_ETCD);
    const second = clusters.start(directory, ['--etcd', ...onPort(port)]);
    await second.says('Ctrl-C stops them all');
    const read = async () => (await fetch(`http://127.0.0.1:${port + 1}/v1/keys/greeting`)).text();
    await eventually(async () => (await read()) === 'hello', 'the value on node-1');
    await second.stop();
  }, 240_000);

  it('says where to get an etcd where there is none', async () => {
    const run = clusters.start(await place(), ['--etcd', '--port', '9070'], { PATH: '/nowhere' });
    expect((await run.ended).code).toBe(2);
    expect(run.output).toContain(
      'npm run cluster:ha -- --etcd starts etcd, which is not to be found on the PATH',
    );
    expect(run.output).toContain('apt-get install etcd-server\n');
    expect(run.output).toContain('type: npm run cluster:ha -- --port 9070\n');
  }, 60_000);
});
