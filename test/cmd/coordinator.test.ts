/** Coordinators as processes: a start, an orderly stop, and several of them on one store. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';
import { EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { eventually, type RealNode, RealNodes } from './real-node.ts';

const processes = new RealNodes();
let etcd: EtcdProcess | undefined;
afterEach(async () => {
  await processes.end();
  await etcd?.stop();
  etcd = undefined;
});

const start = (sets: readonly string[]): Promise<RealNode> =>
  processes.start({ binary: 'coordinator', sets: sets.map((set) => `coordinator.metadata.${set}`) });

describe('a coordinator on a file', () => {
  it('starts, is the only one, shows what the documents list, and stops', async () => {
    const file = join(await processes.directory(), 'new', 'metadata.db');
    const origin = 'https://app.example.net';
    const first = await processes.start({
      binary: 'coordinator',
      sets: [
        `coordinator.metadata.file=${file}`,
        `server.cors_origins=${origin}`,
        'server.max_connections_per_address=7',
      ],
    });
    await first.ready();
    expect(first.output).toContain('"perAddressMax":7');
    const page = await fetch(`http://${first.address}/v1/map`, { headers: { origin } });
    expect(page.headers.get('access-control-allow-origin')).toBe(origin);
    expect((await first.call('Coordinator/GetCluster')).body).toMatchObject({
      name: 'main',
      isActive: true,
      activeCoordinator: first.address,
    });
    const refused = await first.call('Coordinator/InitCluster', { groups: [{ id: 'g1', nodes: ['n1'] }] });
    expect(refused.body.message).toBe('n1 is not heard: start it, with the addresses of the coordinators');

    const { text } = await first.get('/metrics');
    expect(lintMetrics(text)).toEqual([]);
    const listed = await readFile(new URL('../../docs/cluster.md', import.meta.url), 'utf8');
    const shown = [...text.matchAll(/^# TYPE (walnut_(?:coordinator|metadata)_\S+) (\S+)$/gm)];
    expect(shown.length).toBeGreaterThan(8);
    for (const [, name, type] of shown) expect(listed).toContain(`| \`${name}\` | ${type} |`);

    const second = await start([`file=${file}`]);
    expect(await second.ended).toEqual({ code: 3, signal: null });
    expect(second.output).toContain('it serves one coordinator; for several use etcd');

    first.kill('SIGTERM');
    expect(await first.ended).toEqual({ code: 0, signal: null });
  });

  it('ends with exit code 3 where the directory cannot be made', async () => {
    const node = await start(['file=/dev/null/new/metadata.db']);
    expect(await node.ended).toEqual({ code: 3, signal: null });
    expect(node.output).toContain('its directory cannot be made');
  });
});

describe.skipIf(!HAS_ETCD)('coordinators on etcd', () => {
  it('elect one, name it to callers of the other, and another acts after its death', async () => {
    etcd = await EtcdProcess.start(1);
    const sets = ['kind=etcd', `endpoints=${etcd.endpoints[0]?.text}`];
    const both = [await start(sets), await start(sets)];
    await Promise.all(both.map((each) => each.ready()));
    const isActive = async (each: RealNode): Promise<boolean> =>
      (await each.call('Coordinator/GetCluster')).body.isActive === true;
    let active: RealNode | undefined;
    await eventually(async () => {
      for (const each of both) if (await isActive(each)) active = each;
      return active !== undefined;
    }, 'one acts');
    const passive = both.find((each) => each !== active) as RealNode;
    // It may hear later than the one that was elected who that is.
    await eventually(async () => {
      const { body } = await passive.call('Coordinator/FailoverGroup', { group: 'g1' });
      const { code, details = [] } = body as { code?: string; details?: { debug?: { address?: string } }[] };
      return (
        code === 'failed_precondition' && details.some(({ debug }) => debug?.address === active?.address)
      );
    }, 'the other names the one that acts');

    // Within 7 s, as test/coordinator/coordinator.test.ts shows on a clock that no other process delays.
    active?.kill('SIGKILL');
    await eventually(() => isActive(passive), 'the other acts');
  });
});
