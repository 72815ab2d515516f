/** Files with secrets: who may read them, and what a change of one does. */
import { describe, expect, it } from 'vitest';
import type { FileStat } from '#platform/file-system.ts';
import { FollowedFile } from '#platform/followed-file.ts';
import { objectionTo, objectionToPublic, readSecretFile } from '#platform/secret-file.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const OWN = 1_000;

const FILE: FileStat = {
  sizeBytes: 1,
  isDirectory: false,
  isRegular: true,
  modifiedMs: 0,
  mode: 0o600,
  ownerId: OWN,
};

describe('a file of certificates', () => {
  it.each<[Partial<FileStat>, RegExp | undefined]>([
    [{ mode: 0o644 }, undefined],
    [{ mode: 0o664, ownerId: 7 }, undefined],
    [{ mode: 0o666 }, /^every user may change it \(mode 0666\): type chmod o-w/],
    [{ mode: 0o642, ownerId: 0 }, /mode 0642/],
    [{ isRegular: false }, /pipe or a device/],
  ])('with %o is read, or refused: %s', (stat, refusal) => {
    const objection = objectionToPublic({ ...FILE, ...stat }, OWN);
    if (refusal === undefined) expect(objection).toBeUndefined();
    else expect(objection).toMatch(refusal);
  });
});

describe('a file with secrets', () => {
  it.each<[Partial<FileStat>, number, RegExp | undefined]>([
    [{ mode: 0o600, ownerId: OWN }, OWN, undefined],
    [{ mode: 0o400, ownerId: OWN }, OWN, undefined],
    [{ mode: 0o640, ownerId: OWN }, OWN, /mode 0640\): type chmod 600/],
    [{ mode: 0o604, ownerId: OWN }, OWN, /mode 0604/],
    [{ mode: 0o640, ownerId: 0 }, OWN, undefined],
    [{ mode: 0o440, ownerId: 0 }, OWN, undefined],
    [{ mode: 0o660, ownerId: 0 }, OWN, /mode 0660/],
    [{ mode: 0o644, ownerId: 0 }, 0, /mode 0644/],
    [{ mode: 0o600, ownerId: 7 }, OWN, /belongs to the user with the id 7/],
    [{ mode: 0o600, ownerId: 7 }, 0, undefined],
    [{ isDirectory: true, isRegular: false }, OWN, /it is a directory/],
    [{ isRegular: false }, OWN, /pipe or a device: expected a file/],
    [{ sizeBytes: 2 ** 21 }, OWN, /at most 1048576/],
  ])('with %o is read by %i, or refused: %s', (stat, processId, refusal) => {
    const objection = objectionTo({ ...FILE, ...stat }, processId);
    if (refusal === undefined) expect(objection).toBeUndefined();
    else expect(objection).toMatch(refusal);
  });

  it('that is missing is named', async () => {
    await expect(readSecretFile(new MemoryFileSystem(), '/none')).rejects.toThrow(/^\/none: ENOENT/);
  });
});

describe('a file that is followed', () => {
  const open = async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = new VirtualClock();
    const seen: string[] = [];
    const broken: string[] = [];
    const write = async (text: string): Promise<void> => {
      const file = await fileSystem.open('/f', 'replace');
      await file.write(Buffer.from(text), 0);
      await file.close();
    };
    await write('one');
    const parse = (text: string): string => {
      if (text === 'bad') throw new Error('it is bad');
      return text;
    };
    const file = await FollowedFile.open({
      clock,
      name: '/f',
      read: () => readSecretFile(fileSystem, '/f'),
      parse,
      onChange: (text) => void seen.push(text),
      onBroken: (reason) => void broken.push(reason),
    });
    return { file, clock, seen, broken, write, fileSystem };
  };

  it('tells each change once, within one and a half seconds', async () => {
    const { file, clock, seen, write } = await open();
    expect(file.current).toBe('one');
    await clock.advance(3_000);
    await write('two');
    await clock.advance(1_000);
    await clock.advance(499);
    expect(seen).toEqual([]);
    await clock.advance(1);
    expect(seen).toEqual(['two']);
    file.close();
    await write('three');
    await clock.advance(2_000);
    expect(seen).toEqual(['two']);
  });

  it('changes nothing while it cannot be used, and says why once', async () => {
    const { file, clock, seen, broken, write } = await open();
    await write('bad');
    await clock.advance(1_000);
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect([seen, broken, file.isGood]).toEqual([[], ['it is bad'], false]);
    await write('two');
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect([seen, broken, file.isGood]).toEqual([['two'], ['it is bad'], true]);
  });

  it('is taken when two looks find the same, and never as it is while it is being written', async () => {
    const { file, clock, seen, broken, write } = await open();
    await clock.advance(500);
    for (const half of ['t', 'bad', 'tw']) {
      await write(half);
      await clock.advance(500);
    }
    await write('two');
    await clock.advance(500);
    expect([seen, broken, file.isGood]).toEqual([[], [], true]);
    await clock.advance(500);
    expect([seen, broken]).toEqual([['two'], []]);
  });

  it('is refused with its name where it is bad from the start', async () => {
    const { fileSystem, clock } = await open();
    const read = (): Promise<string> => readSecretFile(fileSystem, '/f');
    const options = { clock, name: '/f', read, onChange: () => {}, onBroken: () => {} };
    const parse = (): never => {
      throw new Error('it is bad');
    };
    await expect(FollowedFile.open({ ...options, parse })).rejects.toThrow('/f: it is bad');
  });
});
