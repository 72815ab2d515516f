/** Terms that other nodes state: none that cannot be is persisted or granted, by whatever message it comes. */
import { describe, expect, it } from 'vitest';
import { makeEpoch, TERM_MAX, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { TERM_JUMP_MAX, termAfter, whyNotBelieved } from '#model/terms.ts';
import { Receiver } from '#slave/receiver.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import type { TestNode } from '#test/doubles/test-group.ts';
import { threeNodes } from '#test/node/three-nodes.ts';
import { decodeFrames } from '#wal/frame.ts';
import { encodeManifest, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';

const STRANGER = 'f'.repeat(32);
/** The term of the group is 1. */
const TOO_HIGH = 1 + TERM_JUMP_MAX + 1;

const manifestOf = (disk: MemoryFileSystem): Manifest =>
  tryDecodeManifest(disk.content('/data/MANIFEST')) as Manifest;

const reasonsOf = ({ node }: TestNode): string => node.status().reasons.join('\n');

/** What a message of v0.1.0 or a fault left on a disk. */
function poison(disk: MemoryFileSystem, fields: Partial<Manifest>): MemoryFileSystem {
  disk.put('/data/MANIFEST', encodeManifest({ ...manifestOf(disk), ...fields }));
  return disk;
}

describe('whyNotBelieved', () => {
  const rows: [string, number, number | undefined, boolean][] = [
    ['a lower one', 1, 5, true],
    ['the next', 6, 5, true],
    ['the furthest jump', 5 + TERM_JUMP_MAX, 5, true],
    ['one beyond it', 5 + TERM_JUMP_MAX + 1, 5, false],
    ['the highest, known', TERM_MAX, TERM_MAX, true],
    ['one that no epoch can carry', TERM_MAX + 1, TERM_MAX, false],
    ['any, where no log is held', TERM_MAX, undefined, true],
    ['one that no epoch can carry, where no log is held', TERM_MAX + 1, undefined, false],
    ['no whole number', 1.5, 5, false],
    ['a negative one', -1, 5, false],
  ];
  it.each(rows)('%s', (_name, term, known, isBelieved) => {
    expect(whyNotBelieved(term, known) === undefined).toBe(isBelieved);
  });

  it('leaves no term after the highest', () => {
    expect(termAfter(TERM_MAX - 1)).toBe(TERM_MAX);
    expect(() => termAfter(TERM_MAX)).toThrow(/walnut wal reset-term/);
  });
});

describe('a term that is too high', () => {
  /** Sends it to one of three nodes in one of the ways; answers or throws as it likes. */
  const ways: [string, (nodes: Awaited<ReturnType<typeof threeNodes>>, term: number) => Promise<unknown>][] =
    [
      [
        'a claim',
        ({ one }, term) => one.node.claim({ logId: one.node.status().logId, term, nodeId: STRANGER }),
      ],
      [
        'a take-over',
        ({ one, master }, term) =>
          one.node.takeOver({
            logId: one.node.status().logId,
            term,
            nodeId: master.node.status().nodeId,
            tail: { epoch: makeEpoch(1, 1), lsn: toLsn(1), crc: 0 },
            isCheck: false,
          }),
      ],
      [
        'an announcement',
        ({ one }, term) =>
          one.node.announce(
            { logId: one.node.status().logId, term, nodeId: STRANGER, advertise: 'evil:1' },
            '10.0.0.9',
          ),
      ],
      [
        'a registration',
        ({ master }, term) =>
          master.node.register(
            {
              nodeId: STRANGER,
              incarnation: 'x',
              advertise: 'dead:1',
              logId: master.node.status().logId,
              tail: { epoch: 0, lsn: toLsn(0), crc: 0 },
              upstreamPath: [STRANGER],
              applyDelayMs: 0,
              term,
            },
            '10.0.0.9',
          ),
      ],
      ['a push to a replica', ({ one, master }, term) => one.node.replicate(pushOf(master, term))],
      ['a push to a master', ({ master }, term) => master.node.replicate(pushOf(master, term))],
    ];
  const pushOf = ({ node }: TestNode, term: number) => {
    const { nodeId, logId, position, durableLsn } = node.status();
    return {
      masterNodeId: nodeId,
      logId,
      term,
      previous: { ...position, crc: 0 },
      frames: new Uint8Array(0),
      durableLsn,
      logClockMs: 0,
      ackWhenDurable: false,
    };
  };

  it.each(ways)('%s with it is refused and changes nothing', async (_name, send) => {
    for (const term of [TOO_HIGH, TERM_MAX]) {
      const nodes = await threeNodes();
      const { group, master, one, two } = nodes;
      const sent = Promise.resolve()
        .then(() => send(nodes, term))
        .then(
          (answer) => JSON.stringify(answer),
          (error: Error) => error.message,
        );
      expect(await group.until(sent)).toMatch(/not believed.*walnut wal reset-term/);
      await group.clock.advance(3_000);
      for (const node of [master, one, two]) {
        expect(node.node.status().term).toBe(1);
        expect(manifestOf(node.fileSystem).term).toBe(1);
      }
      await group.set(master, 'still', 'written');
      await group.untilLevel([master, one, two]);
    }
  });

  it('in frames is not appended', async () => {
    const { group, master } = await threeNodes();
    const updates = await group.until(
      master.node.getUpdates({ after: { epoch: 0, lsn: toLsn(0) }, format: 'frames', bytesMax: 1 << 20 }),
    );
    const frames = decodeFrames(updates.frames).map((frame) => ({ ...frame, epoch: makeEpoch(TERM_MAX, 1) }));
    expect(frames.length).toBeGreaterThan(0);
    const engine = { log: { tail: { epoch: 0, lsn: toLsn(0), crc: 0 } } } as never;
    const receiver = new Receiver(
      () => engine,
      () => 1,
      group.clock,
    );
    await expect(receiver.take({ epoch: 0, lsn: toLsn(0), crc: 0 }, frames, false)).rejects.toThrow(
      /not believed/,
    );
  });

  it('in the status of a node neither raises the term of a start nor of a promotion', async () => {
    const { group, master, one, two } = await threeNodes();
    const liar = (status: NodeStatus): NodeStatus => ({ ...status, term: TERM_MAX });
    const ports = two.node.ports;
    const admin = Object.create(ports.admin) as typeof ports.admin;
    admin.status = () => liar(two.node.status());
    group.network.attach('two:1', { ...ports, admin });
    const restarted = await group.master({ fileSystem: await group.stop(master) });
    expect(restarted.node.status()).toMatchObject({ state: 'serving', term: 1 });
    group.kill(restarted);
    await expect(group.until(one.node.promote(false))).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/two:1: term 2097151 is not believed.*walnut wal reset-term DIR/),
    });
    expect(one.node.status().term).toBe(1);
    expect(await group.until(one.node.promote(true))).toMatchObject({ term: 2, isPromoted: true });
  });
});

describe('a group with a term that is too high on its disks', () => {
  it('goes on where one replica has it: the master says which way out there is', async () => {
    const { group, master, one, two } = await threeNodes();
    const disk = poison(await group.stop(two), { term: TERM_MAX });
    const bad = await group.replica('two', { fileSystem: disk });
    await group.clock.advance(5_000);
    const wayOut =
      /term 2097151 is not believed.*stop every node of the group and run on each: walnut wal reset-term DIR/;
    expect(reasonsOf(master)).toMatch(/(^|\n)two:1 refuses to follow: term 2097151 is not believed/);
    expect(reasonsOf(master)).toMatch(wayOut);
    expect(reasonsOf(bad)).toMatch(wayOut);
    await group.set(master, 'still', 'written');
    await group.untilLevel([master, one]);
    expect(master.node.status()).toMatchObject({ state: 'serving', term: 1 });
    // Once that node is mended, nothing is said of it any more.
    const mended = await group.replica('two', { fileSystem: poison(await group.stop(bad), { term: 1 }) });
    await group.untilLevel([master, one, mended]);
    await group.clock.advance(41_000);
    expect(master.node.status().reasons).toEqual([]);
  });

  it('a fenced master of it says what to run, and a promotion does, too', async () => {
    const { group, master, one } = await threeNodes();
    const disk = poison(await group.stop(master), { term: TERM_MAX });
    const bricked = await group.master({ fileSystem: disk });
    expect(bricked.node.status()).toMatchObject({ state: 'fenced' });
    await group.clock.advance(1_000);
    expect(bricked.node.status().reasons.join()).toMatch(/walnut wal reset-term/);
    await expect(group.until(bricked.node.promote(true))).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/walnut wal reset-term/),
    });
    expect(one.node.status().term).toBe(1);
  });

  it.each([
    ['a term beyond the highest', { term: TERM_MAX + 1 }, undefined],
    ['the highest, forced', { term: TERM_MAX }, 'master' as const],
    ['promoted beyond the highest', { promotedTo: TERM_MAX + 1 }, undefined],
  ])(
    'refuses the start with %s, naming the command, and writes nothing',
    async (_name, fields, forcedRole) => {
      const { group, one } = await threeNodes();
      const disk = poison(await group.stop(one), fields);
      const before = disk.content('/data/MANIFEST').toString();
      await expect(group.replica('one', { fileSystem: disk, forcedRole })).rejects.toMatchObject({
        name: 'WalOpenError',
        message: expect.stringMatching(/walnut wal reset-term \/data/),
      });
      expect(disk.content('/data/MANIFEST').toString()).toBe(before);
    },
  );
});
