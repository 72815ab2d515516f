/** The real `npm run cluster`, from sources: a coordinator, two groups of two nodes, and a gateway. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freeRow } from '#test/doubles/free-ports.ts';
import { ROOT } from '#test/house/source-files.ts';
import { Demos } from './local-demo.ts';
import { RealNodes } from './real-node.ts';

const nodes = new RealNodes();
const clusters = new Demos('cmd/cluster.ts', join(ROOT, 'bin', 'launch.cjs'));
afterEach(async () => {
  await clusters.end();
  await nodes.end();
});

describe.skipIf(process.platform === 'win32')('npm run cluster', () => {
  it('has two groups that own half of the keys each, and a gateway that serves all of them', async () => {
    const directory = await nodes.directory();
    await cp(join(ROOT, 'configs'), join(directory, 'configs'), { recursive: true });
    const cluster = clusters.start(directory, ['--port', String(await freeRow(6))]);
    await cluster.says('Ctrl-C stops them all');
    const leaderOf = (group: string): string =>
      new RegExp(`^node-\\d +${group} +master +1 +held +(\\S+)`, 'm').exec(cluster.output)?.[1] ?? '';
    const [one, two] = [leaderOf('g1'), leaderOf('g2')];
    // In slot 12182.
    const put = (address: string) => fetch(`http://${address}/v1/keys/foo`, { method: 'PUT', body: 'hello' });
    const refused = await put(one);
    expect([refused.status, refused.headers.get('x-new-node-hint')]).toEqual([421, two]);
    expect((await put(two)).status).toBe(201);
    const got = await fetch(`http://${one}/v1/keys/foo`);
    expect([got.status, got.url, await got.text()]).toEqual([200, `http://${two}/v1/keys/foo`, 'hello']);
    const [, gateway = ''] = /curl -X PUT --data-binary hello (\S+)\/v1\/keys\//.exec(cluster.output) ?? [];
    // The second is in slot 5061, of the other group.
    for (const [key, status] of [
      ['foo', 204],
      ['bar', 201],
    ] as const) {
      const url = `http://${gateway}/v1/keys/${key}`;
      expect((await fetch(url, { method: 'PUT', body: 'by the gateway' })).status).toBe(status);
      expect(await (await fetch(url)).text()).toBe('by the gateway');
    }
    await cluster.stop();
  }, 180_000);
});
