/** Planted bugs of what waiting changes keep in memory, and of how it is counted. */
import type { Mutant } from './mutant.ts';

export const WATCH_MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'chunk of a waiting change that counts for nothing',
    file: 'internal/watch/room.ts',
    text: '    if (chunk !== undefined && chunk.holders++ === 0) this.#waitingBytes += CHUNK_BYTES;\n',
    replacement: '',
    tests: ['test/watch/change-queue.test.ts'],
  },
  {
    name: 'watcher ended for its bytes, while another keeps more in chunks',
    file: 'internal/watch/watch-hub.ts',
    text: '      if (watcher.keptBytes > (longest?.keptBytes ?? 0)) longest = watcher;',
    replacement: '      if (watcher.live.bytes > (longest?.live.bytes ?? 0)) longest = watcher;',
    tests: ['test/watch/ends.test.ts'],
  },
  {
    name: 'event that is made of a change which nobody wants',
    file: 'internal/watch/watch-hub.ts',
    text: '      keepConcerned(found, mutation.op);\n',
    replacement: '',
    tests: ['test/watch/watch.test.ts'],
  },
  {
    name: 'previous entry that leaves out a change of the same record which is not told',
    file: 'internal/watch/watch-hub.ts',
    text: 'if (watcher.withPrevious || watcher.wants(op)) found',
    replacement: 'if (watcher.wants(op)) found',
    tests: ['test/watch/watch.test.ts'],
  },
  {
    name: 'previous entry of the same record without its content type',
    file: 'internal/watch/watch-hub.ts',
    text: '{ key, value, contentType, expireAtMs, version }',
    replacement: '{ key, value, expireAtMs, version }',
    tests: ['test/watch/watch.test.ts'],
  },
  {
    name: 'long previous value that is copied for each watcher',
    file: 'internal/wire/watch-bytes.ts',
    text: ' || isLong(event.previous?.value.length ?? 0);',
    replacement: ';',
    tests: ['test/wire/watch-codec.test.ts'],
  },
  {
    name: 'long event whose encoded bytes are kept',
    file: 'internal/wire/watch-bytes.ts',
    text: '    else if (!isLong(writer.at - from))',
    replacement: '    else if (writer.at > from)',
    tests: ['test/wire/watch-codec.test.ts'],
  },
  {
    name: 'copies of a change kept for a watcher that does not read',
    file: 'internal/watch/watch-hub.ts',
    text: '      this.#room.dropCopies();\n',
    replacement: '',
    tests: ['test/watch/ends.test.ts'],
  },
  {
    name: 'change whose copies are dropped once and kept when the next watcher has taken it',
    file: 'internal/watch/room.ts',
    text: '      change.isPartlyTaken = false;\n',
    replacement: '',
    tests: ['test/watch/change-queue.test.ts'],
  },
];
