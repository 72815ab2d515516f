/** Items and headers of a later format, whole: refused by name, never cut off as torn, never called damage. */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { withFormatVersion, withNote, withRecords } from './append-record.ts';
import { appendAll, DIR, numbered, open } from './harness.ts';

/** The disk of a killed node whose last segment was edited. */
async function edited(edit: (segment: Buffer) => Buffer): Promise<MemoryFileSystem> {
  const opened = await open(new MemoryFileSystem());
  await appendAll(opened.log, numbered(3));
  const disk = (opened.fileSystem as MemoryFileSystem).kill();
  const segment = disk.paths(DIR).findLast((path) => path.endsWith('.wal')) as string;
  disk.put(segment, edit(disk.content(segment)));
  return disk;
}

function contents(disk: MemoryFileSystem): Record<string, string> {
  const paths = disk.paths('/').filter((path) => !path.endsWith('LOCK'));
  return Object.fromEntries(paths.map((path) => [path, disk.content(path).toString('hex')]));
}

describe('the end of a log', () => {
  it.each<[string, (segment: Buffer) => Buffer, string]>([
    ['an item of an unknown kind', (bytes) => withNote(bytes, 4, () => {}), 'unknown item kind 4'],
    [
      'a known kind with other bytes beside it',
      (bytes) => withNote(bytes, 0x102, () => {}),
      'unknown item kind 258',
    ],
    [
      'a mark with an unknown flag',
      (bytes) => withNote(bytes, 2, (note) => note.writeUInt8(2, 20)),
      'the mark has an unknown body',
    ],
    ['another format version', (bytes) => withFormatVersion(bytes, 2), 'format version 2 is not known'],
  ])('that is %s is refused, and nothing is changed', async (_, edit, why) => {
    const disk = await edited(edit);
    const before = contents(disk);
    const refusal = await open(disk).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      name: 'WalOpenError',
      kind: 'newer',
      message: expect.stringContaining(why),
    });
    expect((refusal as Error).message).not.toContain('wal repair');
    expect(contents(disk)).toEqual(before);
  });

  it('that is an item of an unknown kind with a wrong checksum is torn', async () => {
    const disk = await edited((bytes) => {
      const note = withNote(bytes, 4, () => {});
      note.writeUInt8((note.at(-1) ?? 0) ^ 1, note.length - 1);
      return note;
    });
    const opened = await open(disk);
    expect(opened.replayed).toEqual(numbered(3));
    expect(opened.tornTail).toBeDefined();
  });
});

describe('a record of a type that is the reader’s to know', () => {
  it('is a record to the log, last and unvouched or not', async () => {
    const payload = Buffer.from('later');
    const disk = await edited((bytes) => withRecords(bytes, { type: 77, payload }, { type: 78, payload }));
    const opened = await open(disk);
    expect(opened.frames.map(({ type }) => type)).toEqual([1, 1, 1, 77, 78]);
    expect(opened.tornTail).toBeUndefined();
  });
});
