/**
 * A cluster of real processes: a coordinator on the file store and three members. The
 * master is killed under load, and every write that was acknowledged at QUORUM is there
 * after it. How long nobody took writes is printed.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, pause, type RealNode, RealNodes } from '#test/cmd/real-node.ts';
import { freePort } from '#test/doubles/free-ports.ts';

const processes = new RealNodes();
const members: RealNode[] = [];

const NAMES = ['a', 'b', 'c'];

beforeAll(async () => {
  const port = await freePort();
  const file = `coordinator.metadata.file=${join(await processes.directory(), 'metadata.db')}`;
  const coordinator = await processes.start({ binary: 'coordinator', port, sets: [file] });
  for (const name of NAMES) {
    const sets = [`cluster.node=${name}`, `cluster.coordinators=127.0.0.1:${port}`];
    members.push(await processes.start({ binary: 'node', sets }));
  }
  await eventually(async () => {
    const plan = { groups: [{ id: 'g1', nodes: NAMES }] };
    return (await coordinator.call('Coordinator/InitCluster', plan)).status === 200;
  }, 'the cluster is made');
  await eventually(async () => (await write(members, 'first')) !== undefined, 'a member takes writes');
}, 90_000);

afterAll(() => processes.end());

/** Tries each node once: the one that acknowledged the write at QUORUM, if one did. */
async function write(nodes: readonly RealNode[], key: string): Promise<RealNode | undefined> {
  for (const node of nodes) {
    const request = { key, value: 'dg==', durability: 'DURABILITY_QUORUM', timeoutMs: 1_000 };
    const answer = await node.call('KVStore/Set', request).catch(() => undefined);
    if (answer?.body.durabilityReached === 'DURABILITY_QUORUM') return node;
  }
  return undefined;
}

describe('a cluster of real processes', () => {
  it('loses its master by SIGKILL: writes flow again, and nothing that reached QUORUM is lost', async () => {
    const acknowledged: string[] = [];
    const stop = new AbortController();
    let master: RealNode | undefined;
    let killedMs = 0;
    let againMs = 0;
    const writing = (async () => {
      for (let i = 0; !stop.signal.aborted; i++) {
        const by = await write(members, `k${i}`);
        if (by === undefined) await pause(20);
        else acknowledged.push(`k${i}`);
        if (by !== undefined && killedMs > 0 && by !== master && againMs === 0) againMs = Date.now();
        if (by !== undefined && killedMs === 0) master = by;
      }
    })();
    await eventually(() => acknowledged.length > 50, 'writes reach QUORUM');
    killedMs = Date.now();
    master?.kill('SIGKILL');
    await eventually(() => againMs > 0, 'another member takes writes');
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 20, 'writes go on');
    stop.abort();
    await writing;
    console.info(`writes again ${againMs - killedMs} ms after the SIGKILL`);
    const left = members.filter((one) => one !== master);
    const [next] = await leaders(left);
    expect(next).toBeDefined();
    const lost: string[] = [];
    for (const key of acknowledged) {
      const read = await (next as RealNode).call('KVStore/Get', { key, linearizable: true });
      if (read.body.found !== true) lost.push(key);
    }
    expect(lost).toEqual([]);
  }, 90_000);
});

/** The nodes that take writes now. */
async function leaders(nodes: readonly RealNode[]): Promise<RealNode[]> {
  const states = await Promise.all(nodes.map((one) => one.call('Admin/Status')));
  return nodes.filter((_, i) => states[i]?.body.state === 'NODE_STATE_SERVING');
}
