/** What a session has seen, at a node: its own group's is shown, or refused; others say nothing of it. */
import { describe, expect, it } from 'vitest';
import type { GetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { formatPosition, type Position, toLsn } from '#model/position.ts';
import { http1, type PlainAnswer, type Running, start } from '#test/server/running.ts';

const SEEN = 'x-walnut-positions';

/** The positions that Gets of the node asked for. */
function askedOf({ node }: Running): Position[] {
  return node.calls.flatMap(({ argument }) => (argument as Partial<GetCommand>).atLeast ?? []);
}

async function open(group: string) {
  const running = await start({ group: () => group });
  const get = (seen: string, path = '/v1/keys/k'): Promise<PlainAnswer> =>
    http1(running, 'GET', path, { headers: { [SEEN]: seen } });
  return { running, get };
}

describe('a node of a cluster', () => {
  it('shows what the session has seen of its group, and hears of no other', async () => {
    const { running, get } = await open('g1');
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'x', headers: { [SEEN]: 'g2=7-7' } });
    const own = String(put.headers['x-walnut-position']);
    expect(put.headers[SEEN]).toBe(`g2=7-7,g1=${own}`);
    const answer = await get(String(put.headers[SEEN]));
    expect([answer.status, answer.headers[SEEN]]).toEqual([
      200,
      `g2=7-7,g1=${String(answer.headers['x-walnut-as-of'])}`,
    ]);
    expect(askedOf(running).map(formatPosition)).toEqual([own]);
  });

  it('proves what no read has proven, and forgets the group where it is lost', async () => {
    const { running, get } = await open('g1');
    running.node.hold = async () => {
      if (askedOf(running).at(-1)?.epoch === 4) throw new WalnutError('discarded_history', 'gone');
    };
    const lost = await get('g2=7-7,g1=4-9,g1=4294967300-1');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    expect(askedOf(running)).toEqual([{ epoch: 4, lsn: toLsn(9) }]);
  });

  it('keeps its group where a Get of a Batch names a position that is lost, and forgets it where an atomic Batch has lost it', async () => {
    const { running } = await open('g1');
    const { keyValue } = running.node.ports;
    const gone = new WalnutError('discarded_history', 'gone');
    keyValue.batch = async () => [{ kind: 'error', error: gone }];
    keyValue.atomicBatch = async () => {
      throw gone;
    };
    const ask = (get: object, atomic: boolean): Promise<PlainAnswer> =>
      http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
        headers: { 'content-type': 'application/json', [SEEN]: 'g2=7-7,g1=4-9' },
        body: JSON.stringify({ operations: [{ get: { key: 'k', ...get } }], atomic }),
      });
    const own = { atLeast: { epoch: '5', lsn: '1' } };
    expect((await ask(own, false)).headers[SEEN]).toBe('g2=7-7,g1=4-9');
    expect((await ask({}, false)).headers[SEEN]).toBe('g2=7-7');
    expect((await ask(own, true)).headers[SEEN]).toBeUndefined();
    expect((await ask({}, true)).headers[SEEN]).toBe('g2=7-7');
  });

  it('tells a session that only scans once what is lost, and keeps no position that a page has shown', async () => {
    const { running, get } = await open('g1');
    const { keyValue } = running.node.ports;
    const { awaitDurable } = keyValue;
    keyValue.awaitDurable = async (command, signal) => {
      if (command.position.epoch === 4) throw new WalnutError('discarded_history', 'gone');
      return awaitDurable(command, signal);
    };
    const lost = await get('g2=7-7,g1=4-9', '/v1/keys');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    await http1(running, 'PUT', '/v1/keys/k', { body: 'x' });
    const shown = await get('g2=7-7,g1=3-9', '/v1/keys');
    expect(shown.status).toBe(200);
    expect(shown.headers[SEEN]).toMatch(/^g2=7-7,g1=[0-9]+-[0-9]+$/);
    expect(shown.headers[SEEN]).not.toContain('g1=3-9');
  });

  it('refuses a page that is older than what the session has seen', async () => {
    const { get } = await open('g1');
    const answer = await get(`g1=${2 ** 52}-900000`, '/v1/keys');
    expect([answer.status, answer.text]).toEqual([
      503,
      expect.stringContaining('is behind what the session has seen'),
    ]);
  });
});

describe('by name are refused', () => {
  it.each(['/v1/keys/k', '/v1/keys', '/v1/watch'])(
    'positions at %s of a node of no cluster',
    async (path) => {
      const { running, get } = await open('');
      expect(await get('g1=1-1', path)).toMatchObject({
        status: 400,
        text: expect.stringContaining('this node is in none: expected at_least'),
      });
      expect(running.node.calls).toEqual([]);
    },
  );

  it('a choice of the node that reads, at a node', async () => {
    const running = await start({ group: () => 'g1' });
    const headers = { 'x-walnut-read-from': 'replica' };
    const answer = await http1(running, 'GET', '/v1/keys/k', { headers });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringContaining('call the one that is to answer'),
    ]);
  });
});
