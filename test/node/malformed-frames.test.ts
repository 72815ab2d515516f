import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import { threeNodes } from '#test/node/three-nodes.ts';
import { chainOf } from '#test/replication/chain.ts';
import { frameAfter } from '#test/wal/append-record.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

describe('a push of frames that fail their checks', () => {
  const record = (): Buffer => Buffer.from(chainOf([20])[0]?.bytes ?? []);
  const changed = (at: number): Buffer => {
    const bytes = record();
    bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
    return bytes;
  };

  it.each([
    ['noise', () => Buffer.from('noise')],
    ['a whole header of zeros', () => Buffer.alloc(60)],
    ['a changed header', () => changed(9)],
    ['a changed payload', () => changed(50)],
    ['a cut record', () => record().subarray(0, -1)],
    ['one record twice', () => Buffer.concat([record(), record()])],
  ])('(%s) is refused as the sender’s fault, and leaves nothing behind', async (_, frames) => {
    const { group, master, one } = await threeNodes();
    const { position, logId, term } = one.node.status();
    const push = {
      masterNodeId: master.node.status().nodeId,
      logId,
      term: term + 1,
      previous: { epoch: position.epoch, lsn: toLsn(0), crc: 0 },
      frames: frames(),
      durableLsn: position.lsn,
      logClockMs: 0,
      ackWhenDurable: false,
    };
    await expect(group.until(one.node.ports.replication.replicate(push))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^frames: frame \d+: /),
    });
    expect(one.node.status().term).toBe(term);
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, one]);
  });

  it('of a newer master is refused by name, says what to do, and leaves nothing behind', async () => {
    const { group, master, one } = await threeNodes();
    const { position, logId, term } = one.node.status();
    const all = { after: { epoch: 0, lsn: toLsn(0) }, format: 'frames', bytesMax: 1 << 20 } as const;
    const updates = await group.until(master.node.getUpdates(all));
    const last = decodeFrames(updates.frames).at(-1) as Frame;
    const push = {
      masterNodeId: master.node.status().nodeId,
      logId,
      term,
      previous: { epoch: position.epoch, lsn: position.lsn, crc: last.crc },
      frames: frameAfter(last, { type: 9, payload: Buffer.from([1]) }).bytes,
      durableLsn: position.lsn,
      logClockMs: 0,
      ackWhenDurable: false,
    };
    await expect(group.until(one.node.ports.replication.replicate(push))).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/^frames: unknown record type 9: .*Upgrade this replica/),
    });
    expect(one.node.status().position).toEqual(position);
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, one]);
  });

  it('whose payload is no record is refused as well', async () => {
    const { group, master, one } = await threeNodes();
    const { position, logId, term } = one.node.status();
    const updates = await group.until(
      master.node.getUpdates({ after: { epoch: 0, lsn: toLsn(0) }, format: 'frames', bytesMax: 1 << 20 }),
    );
    const last = decodeFrames(updates.frames).at(-1);
    const [frame] = chainOf([20], {
      firstLsn: position.lsn + 1,
      prevCrc: last?.crc ?? 0,
      epoch: position.epoch,
    });
    const push = {
      masterNodeId: master.node.status().nodeId,
      logId,
      term,
      previous: { epoch: position.epoch, lsn: position.lsn, crc: last?.crc ?? 0 },
      frames: frame?.bytes ?? new Uint8Array(0),
      durableLsn: position.lsn,
      logClockMs: 0,
      ackWhenDurable: false,
    };
    await expect(group.until(one.node.ports.replication.replicate(push))).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^frames: /),
    });
    await group.set(master, 'k', 'v');
    await group.untilLevel([master, one]);
  });
});
