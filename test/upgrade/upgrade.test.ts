/**
 * A group of release 0.1.0 is brought to this version node by node, and back:
 * formats and wire of both fit. Real processes, the old ones from the history.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '#test/doubles/free-ports.ts';
import { expectReady } from '#test/torture/link-group.ts';
import { NodeProcess, pause } from '#test/torture/node-process.ts';
import { RELEASE_0_1_0, unpackRelease, whyNoRelease } from './old-release.ts';
import { SteadyLoad } from './steady-load.ts';

const TIMEOUT_MS = 180_000;
const LEVEL_MS_MAX = 30_000;
const KEYS = 300;

const whyNot = await whyNoRelease(RELEASE_0_1_0);
if (whyNot !== undefined) process.stderr.write(`SKIPPED: upgrade from 0.1.0: ${whyNot}\n`);

describe.skipIf(whyNot !== undefined)('a group of release 0.1.0', () => {
  let scratch = '';
  let old = '';
  const running = new Set<NodeProcess>();

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'walnut-upgrade-'));
    old = await unpackRelease(RELEASE_0_1_0, join(scratch, 'old'));
  });

  let load: SteadyLoad | undefined;

  afterAll(async () => {
    await load?.stop();
    for (const node of running) await node.destroy();
    await rm(scratch, { recursive: true, force: true });
  });

  interface Member {
    readonly name: string;
    readonly port: number;
    /** Of the master that its configuration names; undefined for the configured master. */
    readonly follows: number | undefined;
  }

  function start({ name, port, follows }: Member, root?: string): NodeProcess {
    const sets = [`server.port=${port}`, `wal.directory=${join(scratch, name)}`, 'wal.fsync=always'];
    if (follows !== undefined) sets.push(`master.address=127.0.0.1:${follows}`);
    const binary = follows === undefined ? 'master' : 'slave';
    const node = new NodeProcess({ binary, root, sets });
    running.add(node);
    return node;
  }

  async function stop(node: NodeProcess): Promise<void> {
    node.kill('SIGTERM');
    expect((await node.exited).code).toBe(0);
    await node.destroy();
    running.delete(node);
  }

  /** `name`: that of its last write. */
  async function write(
    node: NodeProcess,
    from: number,
    name: { readonly requestId?: string } = { requestId: `delete ${from}` },
  ): Promise<void> {
    const operations = Array.from({ length: KEYS }, (_, i) => ({
      set: {
        key: `key-${from + i}`,
        value: Buffer.from(`value ${from + i}`).toString('base64'),
        ...(i % 3 === 0 ? { ttlMs: '3600000' } : {}),
      },
    }));
    const { status } = await node.call('KVStore/Batch', { operations });
    expect(status).toBe(200);
    const deleted = await node.call('KVStore/Delete', { key: `key-${from}`, ...name });
    expect(deleted.body).toMatchObject({ deleted: true });
  }

  /** Equal digests at the master's position; the number of entries. */
  async function untilLevel(master: NodeProcess, replica: NodeProcess): Promise<number> {
    let both: unknown[] = [];
    for (const endMs = Date.now() + LEVEL_MS_MAX; Date.now() < endMs; ) {
      const answers = await Promise.all([master.call('Admin/Digest', {}), replica.call('Admin/Digest', {})]);
      both = answers.map(({ body }) => body);
      const [first, second] = both.map((each) => JSON.stringify(each));
      if (first === second) return Number((both[0] as { entries?: string }).entries ?? 0);
      await pause(50);
    }
    throw new Error(`not level: ${JSON.stringify(both)}`);
  }

  it(
    'is upgraded node by node under load without losing a write, and goes back while nothing new is used',
    async () => {
      const [one = 0, two = 0] = await freePorts(2);
      const first: Member = { name: 'first', port: one, follows: undefined };
      const second: Member = { name: 'second', port: two, follows: one };

      let master = start(first, old);
      await expectReady(master);
      let replica = start(second, old);
      await expectReady(replica);
      await write(master, 0);
      const writing = new SteadyLoad([one, two].map((port) => `127.0.0.1:${port}`));
      load = writing;
      const expectLevel = async (leader: NodeProcess, follower: NodeProcess, keys: number): Promise<void> => {
        const loaded = await writing.hold();
        expect(await untilLevel(leader, follower)).toBe(keys + loaded);
        writing.release();
      };
      await expectLevel(master, replica, KEYS - 1);

      // The replica first, under the old master.
      await stop(replica);
      await write(master, KEYS);
      replica = start(second);
      await expectReady(replica);
      await expectLevel(master, replica, 2 * (KEYS - 1));

      // Then the master's role moves to it, and the old master becomes its replica, still old.
      const moved = await master.call('Admin/Failover', { to: `127.0.0.1:${two}` });
      expect(moved).toMatchObject({ status: 200 });
      await write(replica, 2 * KEYS);
      await expectLevel(replica, master, 3 * (KEYS - 1));
      await stop(master);
      master = start(first);
      await expectReady(master);
      // A request id would be logged now, which is something new.
      await write(replica, 3 * KEYS, {});
      await expectLevel(replica, master, 4 * (KEYS - 1));

      // Back again: what this version wrote is read by the old one.
      await stop(master);
      await stop(replica);
      replica = start(second, old);
      await expectReady(replica);
      master = start(first, old);
      await expectReady(master);
      await expectLevel(replica, master, 4 * (KEYS - 1));
      // Each step was felt, and nothing that was acknowledged is missing on either node.
      expect(writing.refusals).toBeGreaterThan(3);
      await writing.hold();
      await writing.stop();
      await untilLevel(replica, master);
      for (const port of [one, two]) expect(await writing.missingAt(`127.0.0.1:${port}`)).toEqual([]);
      await stop(master);
      await stop(replica);
    },
    TIMEOUT_MS,
  );

  async function refusalOf(node: NodeProcess): Promise<string> {
    expect((await node.exited).code).toBe(3);
    const { output } = node;
    await node.destroy();
    running.delete(node);
    return output;
  }

  async function untilSaid(node: NodeProcess, text: string): Promise<void> {
    for (const endMs = Date.now() + LEVEL_MS_MAX; Date.now() < endMs; await pause(50)) {
      if (node.output.includes(text)) return;
    }
    throw new Error(`never said ${JSON.stringify(text)}: ${node.output}`);
  }

  /** A replica with data is ready before it has registered, and so said what it reads. */
  async function untilTouched(master: NodeProcess, touch: object): Promise<void> {
    let body: unknown;
    for (const endMs = Date.now() + LEVEL_MS_MAX; Date.now() < endMs; await pause(50)) {
      ({ body } = await master.call('KVStore/Touch', touch));
      if ((body as { touched?: boolean }).touched === true) return;
    }
    throw new Error(`not touched: ${JSON.stringify(body)}`);
  }

  it(
    'gets nothing that it could not read, and refuses by name a directory that has it',
    async () => {
      const [one = 0, two = 0, three = 0] = await freePorts(3);
      const first: Member = { name: 'touched', port: one, follows: undefined };
      const second: Member = { name: 'touched-replica', port: two, follows: one };
      const touch = { key: 'key-1', ttlMs: '3600000' };

      let master = start(first);
      await expectReady(master);
      let replica = start(second, old);
      await expectReady(replica);
      await untilLevel(master, replica);
      // Its request id is not logged while the old replica is known.
      await write(master, 0);
      expect(await untilLevel(master, replica)).toBe(KEYS - 1);
      const refused = await master.call('KVStore/Touch', touch);
      expect(refused.body).toMatchObject({
        code: 'failed_precondition',
        message: expect.stringMatching(new RegExp(`replica \\S+:${two} has not said that it reads`)),
      });

      // A restart of the master does not make it forget who follows, be it away.
      await stop(replica);
      await stop(master);
      master = start(first);
      await expectReady(master);
      expect((await master.call('KVStore/Touch', touch)).body).toMatchObject({ code: 'failed_precondition' });

      replica = start(second);
      await expectReady(replica);
      await untilTouched(master, touch);
      expect(await untilLevel(master, replica)).toBe(KEYS - 1);

      // An old replica that comes now is told why it may not follow.
      const late = start({ name: 'touched-late', port: three, follows: one }, old);
      await untilSaid(late, 'reads formats up to level 0');
      await stop(late);

      await stop(replica);
      await stop(master);
      for (const member of [first, second]) {
        expect(await refusalOf(start(member, old))).toContain('format 2 is not known to this program');
      }
      // Neither start has changed anything.
      master = start(first);
      await expectReady(master);
      replica = start(second);
      await expectReady(replica);
      expect(await untilLevel(master, replica)).toBe(KEYS - 1);
      await stop(replica);
      await stop(master);
    },
    TIMEOUT_MS,
  );
});
