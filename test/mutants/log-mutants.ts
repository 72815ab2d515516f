/** Bugs of what MANIFEST knows of the log, and of epochs. */
import type { Mutant } from './mutant.ts';

const REACH = 'test/wal/reach.test.ts';
const CRASH = 'test/wal/crash.test.ts';
const WRITER = 'test/wal/writer.test.ts';

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'shortage that ends because bytes are free, although nothing can be written',
    file: 'internal/wal/disk-shortage.ts',
    text: '      await this.#parts.tryRoom();\n',
    replacement: '',
    tests: ['test/wal/disk-shortage.test.ts'],
  },
  {
    name: 'try for room that leaves its zeros in the log',
    file: 'internal/wal/log-end.ts',
    text: '    } finally {\n      await this.cutBack();\n    }',
    replacement: '    } finally {\n      await Promise.resolve();\n    }',
    tests: ['test/wal/disk-shortage.test.ts'],
  },
  {
    name: 'new segment that MANIFEST is not told of',
    file: 'internal/wal/tail-keeper.ts',
    text: '      await this.#vouchFor(name, tail.lsn);',
    replacement: '',
    tests: [REACH],
  },
  {
    name: 'segment in MANIFEST before its name is durable',
    file: 'internal/wal/tail-keeper.ts',
    text: `      await directory.syncNames();
      await this.#vouchFor(name, tail.lsn);`,
    replacement: `      await this.#vouchFor(name, tail.lsn);
      await directory.syncNames();`,
    tests: [CRASH],
  },
  {
    name: 'directory opened anew to make the name of MANIFEST durable',
    file: 'internal/wal/wal-directory.ts',
    text: 'await this.syncNames();\n    } catch',
    replacement: 'await this.fileSystem.syncDirectory(this.path);\n    } catch',
    tests: [WRITER],
  },
  {
    name: 'newest segment cut below its header taken for one that was never written',
    file: 'internal/wal/log-reach.ts',
    text: 'newestBytes < SEGMENT_HEADER_BYTES',
    replacement: 'newestBytes < 0',
    tests: [REACH],
  },
  {
    name: 'empty newest segment emptied in its place before it is created anew',
    file: 'internal/wal/tail-keeper.ts',
    text: '    const writtenAt = mayExist ? target + TEMPORARY_SUFFIX : target;',
    replacement: '    const writtenAt = target;',
    tests: [REACH, CRASH],
  },
  {
    name: 'empty newest segment removed before it is created anew',
    file: 'internal/wal/tail-keeper.ts',
    text: '    if (stub.firstLsn === lsn + 1) this.#nextSeq = stub.seq;',
    replacement: `    if (stub.firstLsn === lsn + 1) {
      const { fileSystem, path } = this.#parts.directory;
      await fileSystem.remove(\`\${path}/\${stub.name}\`);
      await fileSystem.syncDirectory(path);
    }`,
    tests: [REACH],
  },
  {
    name: 'end of the log not noted by a clean stop',
    file: 'internal/wal/log.ts',
    text: '      await directory.vouch(reach).catch(',
    replacement: '      await Promise.resolve().catch(',
    tests: [REACH],
  },
  {
    name: 'missing newest segment taken for the end of the log',
    file: 'internal/wal/log-reach.ts',
    text: '  if (!found.seqs.includes(seq)) {',
    replacement: '  if (!found.seqs.includes(seq) && lsn > found.endLsn) {',
    tests: [REACH],
  },
  {
    name: 'lack of descriptors taken for a failed disk',
    file: 'internal/platform/shortage.ts',
    text: "  ['EMFILE', 'files'],",
    replacement: '',
    tests: [WRITER],
  },
  {
    name: 'log kept for replicas given up for want of a descriptor',
    file: 'internal/wal/log-writer.ts',
    text: "        if (shortageOf(error) !== 'space') break;",
    replacement: '',
    tests: [WRITER],
  },
  {
    name: 'lack of descriptors told as damage of the kept log',
    file: 'internal/wal/verify-segments.ts',
    text: '      if (!isShortage(error)) throw error;',
    replacement: '      throw error;',
    tests: ['test/wal/kept-log.test.ts'],
  },
  {
    name: 'connections without a bound',
    file: 'internal/rpc/connection-places.ts',
    text: "    if (this.#taken >= this.#max - (isNode ? 0 : this.#reserved)) return 'all';\n",
    replacement: '',
    tests: ['test/server/connection-limit.test.ts'],
  },
  {
    name: 'restore into a directory that holds a node',
    file: 'internal/wal/empty-directory.ts',
    text: '    if (name === MANIFEST_NAME || parseSnapshotName',
    replacement: '    if (parseSnapshotName',
    tests: ['test/backup/backup.test.ts'],
  },
  {
    name: 'cut that leaves MANIFEST demanding what it cut',
    file: 'internal/wal/cut-log.ts',
    text: '  await commit(directory, { ...changes, excludedSegments: [...kept, ...out], reaches });',
    replacement: '  await commit(directory, { ...changes, excludedSegments: [...kept] });',
    tests: [REACH],
  },
  {
    name: 'directory left open where its log cannot be closed in order',
    file: 'internal/engine/engine-host.ts',
    text: `    } finally {
      await this.directory.close();
    }`,
    replacement: `      await this.directory.close();
    } finally {
    }`,
    tests: ['test/engine/open-handles.test.ts'],
  },
  {
    name: 'segment opened again by a task that comes while the log closes',
    file: 'internal/wal/log-writer.ts',
    text: "      if (this.#closing !== undefined) return reject(new Error('the log is closing'));",
    replacement: '',
    tests: [WRITER],
  },
];
