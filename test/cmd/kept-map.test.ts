/** The map in a file, and files that cannot be used. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '#config/config-error.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { decodeMap, encodeMap, openKeptMap } from '../../cmd/gateway/kept-map.ts';

/** The double counts a file's writes instead of milliseconds. */
const CLOCK = { wallMs: () => 60_000 };

describe('a kept map', () => {
  it('is there after a restart, the newest one whole', async () => {
    const fileSystem = new MemoryFileSystem();
    const kept = await openKeptMap(fileSystem, '/new/directory/map', CLOCK, silentLogger);
    expect(await kept.load()).toBeUndefined();
    await kept.save(mapOf(['g1', 'g2'], 1));
    await kept.save(mapOf(['g1', 'g2'], 2));
    const again = await openKeptMap(fileSystem, '/new/directory/map', CLOCK, silentLogger);
    expect(await again.load()).toMatchObject({ map: mapOf(['g1', 'g2'], 2) });
  });

  it('is refused by its key where its directory cannot be made', async () => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.makeDirectory = () => Promise.reject(new Error('EEXIST: file already exists'));
    await expect(openKeptMap(fileSystem, '/file/map', CLOCK, silentLogger)).rejects.toThrow(
      new ConfigError([
        'gateway.map_file: the directory of /file/map cannot be made: EEXIST: file already exists',
      ]),
    );
  });

  it('is as old as its file, and of no age where the wall clock went back', async () => {
    const fileSystem = new MemoryFileSystem();
    let wallMs = 60_000;
    const kept = await openKeptMap(fileSystem, '/map', { wallMs: () => wallMs }, silentLogger);
    await kept.save(mapOf(['g1'], 1));
    const { modifiedMs } = (await fileSystem.stat('/map')) as { modifiedMs: number };
    expect((await kept.load())?.ageMs).toBe(60_000 - modifiedMs);
    wallMs = modifiedMs - 1;
    expect((await kept.load())?.ageMs).toBe(0);
  });

  it('that was cut or altered is not used, and the next map replaces it', async () => {
    const bytes = encodeMap(mapOf(['g1'], 3));
    expect(decodeMap(bytes)).toEqual(mapOf(['g1'], 3));
    for (let i = 0; i < bytes.length; i++) {
      const altered = Buffer.from(bytes);
      altered[i] = (altered[i] as number) ^ 1;
      expect(() => decodeMap(altered)).toThrow(/it is (no map of a gateway|damaged)/);
      expect(() => decodeMap(bytes.subarray(0, i))).toThrow();
    }
    const fileSystem = new MemoryFileSystem();
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (_: unknown, message: string) => void lines.push(message) };
    const kept = await openKeptMap(fileSystem, '/map', CLOCK, logger);
    const file = await fileSystem.open('/map', 'create');
    await file.write(Buffer.from('nonsense'), 0);
    await file.close();
    expect(await kept.load()).toBeUndefined();
    expect(lines).toEqual(['the map that was kept cannot be used: waiting for a coordinator']);
    await kept.save(mapOf(['g1'], 4));
    expect((await kept.load())?.map.epoch).toBe(4);
  });

  it('is no directory, and leaves nothing behind where it cannot be written', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory('/maps');
    await expect(openKeptMap(fileSystem, '/maps', CLOCK, silentLogger)).rejects.toThrow(
      'gateway.map_file: /maps is a directory: name a file in it, such as /maps/map',
    );
    const kept = await openKeptMap(fileSystem, '/maps/map', CLOCK, silentLogger);
    await fileSystem.makeDirectory('/maps/map');
    await kept.save(mapOf(['g1'], 1));
    expect(await fileSystem.readDirectory('/maps')).toEqual(['map']);
  });
});
