/** The binary of a member, in a process of its own, and what the binaries of plain groups say to its files. */
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, RealNodes } from '#test/cmd/real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

describe('walnut-node', () => {
  it('waits for a coordinator, serves no write, stops cleanly, and its directory is no plain node’s', async () => {
    const directory = await nodes.directory();
    const sets = [`wal.directory=${directory}`];
    const member = ['cluster.node=a', 'cluster.coordinators=127.0.0.1:1', 'storage.max_entries=9'];
    const node = await nodes.start({ binary: 'node', sets: [...sets, ...member] });
    await eventually(async () => {
      const { body } = await node.call('Admin/Status');
      return body.reasons.some((reason: string) => reason.includes('no coordinator has named'));
    }, 'it says what it waits for');
    expect((await node.get('/readyz')).status).toBe(503);
    expect((await node.call('KVStore/Set', { key: 'k', value: 'dg==' })).body.code).toBe(
      'failed_precondition',
    );
    expect((await node.call('Admin/Promote', { force: true })).status).not.toBe(200);
    const { settings } = (await node.call('Admin/GetConfig', {})).body;
    expect(settings).toContainEqual({
      key: 'storage.max_entries',
      value: '9',
      origin: '--set storage.max_entries',
    });
    const changed = await node.call('Admin/SetConfig', { set: { 'storage.max_entries': '700' } });
    expect(changed.body).toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('limits'),
    });
    node.kill('SIGTERM');
    expect(await node.ended).toEqual({ code: 0, signal: null });

    const plain = await nodes.start({ binary: 'master', sets });
    expect(await plain.ended).toEqual({ code: 3, signal: null });
    expect(plain.output).toContain('belongs to node a of cluster main: start it with walnut-node');
  });

  it('takes a section that a plain node refuses, and no flag that makes it lead', async () => {
    const plain = await nodes.start({
      binary: 'slave',
      sets: ['cluster.node=a', 'master.address=127.0.0.1:1'],
    });
    expect(await plain.ended).toEqual({ code: 2, signal: null });
    expect(plain.output).toContain('only walnut-node takes it');
    const forced = await nodes.start({
      binary: 'node',
      sets: ['cluster.node=a', 'cluster.coordinators=127.0.0.1:1'],
      flags: ['--force-role', 'master'],
    });
    expect(await forced.ended).toEqual({ code: 2, signal: null });
    expect(forced.output).toContain('walnut cluster failover');
  });
});
