/** Planted bugs in the place that a report of damage names, and in what a restore writes before it is verified. */
import type { Mutant } from './mutant.ts';

const PLACE = 'test/backup/damage-place.test.ts';

export const PLACE_MUTANTS: readonly Mutant[] = [
  {
    name: 'snapshot header whose damage is reported at its CRC',
    file: 'internal/storage/snapshot-header.ts',
    text: "    throw new SnapshotError(0, 'header CRC does not match');",
    replacement: "    throw new SnapshotError(end, 'header CRC does not match');",
    tests: ['test/storage/snapshot-place.test.ts'],
  },
  {
    name: 'snapshot header with a wrong length reported at the end of the file',
    file: 'internal/storage/snapshot-loader.ts',
    text: "    if (this.#piece.kind === 'header') throw headerCut();\n",
    replacement: '',
    tests: ['test/storage/snapshot-place.test.ts'],
  },
  {
    name: 'backup that checks only the CRC of the whole snapshot',
    file: 'internal/backup/snapshot-file.ts',
    text: "  if (crc !== block.payloadCrc) throw new SnapshotError(offset, 'block CRC does not match');\n",
    replacement: '  if (crc === block.payloadCrc + 2 ** 33) return;\n',
    tests: [PLACE],
  },
  {
    name: 'record that a fold refuses reported at its end',
    file: 'internal/backup/fold-log.ts',
    text: '          this.#take(segment, frame, offset);',
    replacement: '          this.#take(segment, frame, nextOffset || offset);',
    tests: [PLACE],
  },
  {
    name: 'restore whose recovery writes MANIFEST before the state is compared',
    file: 'internal/wal/wal-directory.ts',
    text: '    if (!this.#isDraft) await this.#write(manifest);',
    replacement: '    await this.#write(manifest);',
    tests: ['test/backup/backup.test.ts'],
  },
  {
    name: 'restore that takes back the step to a newer format',
    file: 'internal/backup/restore-backup.ts',
    text: '    await amendManifest(directory, { reaches });',
    replacement: '    await amendManifest(directory, { ...manifest, reaches });',
    tests: ['test/backup/backup.test.ts'],
  },
];
