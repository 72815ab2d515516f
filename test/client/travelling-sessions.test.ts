/** The text of a session of nodes of one group, read by a client of a gateway and by one of nodes of another group. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { slotOfKey } from '#cluster/slot-hash.ts';
import { RunningGateway } from '#test/server/running-gateway.ts';
import { connect } from '../../client/connect.ts';
import { Session } from '../../client/session.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';

let gateway: RunningGateway;
const directory = mkdtempSync(join(tmpdir(), 'walnut-travelling-'));
beforeAll(async () => {
  gateway = await RunningGateway.start(directory);
});
afterAll(async () => {
  await gateway.stop();
  rmSync(directory, { recursive: true, force: true });
});

const VALUE = Buffer.from('x');

/** A key of the group, of three that share the slots in their order. */
function keyOf(group: 'g1' | 'g2'): string {
  const key = ['bar', 'foo', 'hello', 'a', 'b', 'c'].find(
    (one) => gateway.masterOf(one) === gateway.masters.get(group),
  );
  if (key === undefined) throw new Error(`no key is of ${group}, as of ${slotOfKey('a')}`);
  return key;
}

function open(address: string, text = 's1'): WalnutClient {
  const client = connect({ addresses: [address], session: Session.from(text) });
  onTestFinished(() => client.close());
  return client;
}

function at(group: 'g1' | 'g2', text?: string): WalnutClient {
  return open(gateway.masters.get(group)?.address ?? '', text);
}

/** The text of a session that has written and read at the master of g1. */
async function textOfG1(): Promise<string> {
  const client = at('g1');
  await client.set(keyOf('g1'), VALUE);
  await client.get(keyOf('g1'));
  const text = String(client.session);
  expect(text).toMatch(/^s3\.g1\.\d+-\d+$/);
  return text;
}

describe('the text of a session of nodes of g1', () => {
  it.each(['g1', 'g2'] as const)('goes on at a gateway, where a key of %s is read first', async (first) => {
    const client = open(gateway.address, await textOfG1());
    const [written, other] = first === 'g1' ? [keyOf('g1'), keyOf('g2')] : [keyOf('g2'), keyOf('g1')];
    for (const key of [written, other]) {
      await client.get(key);
      expect((await client.set(key, VALUE)).applied).toBe(true);
      expect((await client.get(key)).found).toBe(true);
    }
    expect(client.session.positions.map(({ group }) => group).sort()).toEqual(['g1', 'g2']);
  });

  it('says nothing of the keys of another group, whose nodes answer, and is kept', async () => {
    const text = await textOfG1();
    const client = at('g2', text);
    const other = `{${keyOf('g2')}}:n`;
    expect((await client.get(keyOf('g2'))).asOf?.group).toBe('g2');
    expect((await client.increment(other)).value).toBe(1n);
    expect((await client.get(other)).found).toBe(true);
    expect((await client.get(other, { fillLeaseMs: 1 })).found).toBe(true);
    const seen = client.session.positions;
    expect(seen.map(({ group }) => group).sort()).toEqual(['g1', 'g2']);
    const [, , position = ''] = text.split('.');
    expect(String(client.session)).toContain(`.g1_${position}`);
  });

  it('is not waited for by nodes of another group, which lose nothing of it', async () => {
    const text = await textOfG1();
    const client = at('g2', text);
    const call = client.awaitDurable({ timeoutMs: 100 });
    await expect(call).rejects.toMatchObject({ code: Code.FailedPrecondition, outcome: 'not_done' });
    expect(String(client.session)).toBe(text);
    expect((await open(gateway.address, text).awaitDurable()).durable?.group).toBe('g1');
  });

  it.each(['increment', 'atomic', 'scan', 'count', 'fill'] as const)(
    'begins with %s there',
    async (method) => {
      const client = at('g2', await textOfG1());
      const key = `{${keyOf('g2')}}:m`;
      const begin: Record<typeof method, () => Promise<unknown>> = {
        increment: () => client.increment(key),
        atomic: () => client.atomic([{ get: { key } }, { increment: { key } }]),
        scan: () => client.scan('').next(),
        count: () => client.count(''),
        fill: () => client.get(key, { fillLeaseMs: 1 }),
      };
      await begin[method]();
      expect((await client.get(keyOf('g2'))).asOf?.group).toBe('g2');
    },
  );

  it('is as it was at nodes of its own group', async () => {
    const client = at('g1', await textOfG1());
    expect((await client.get(keyOf('g1'))).found).toBe(true);
    expect([client.session.isOfGroups, client.session.token?.group]).toEqual([false, '']);
  });
});
