/** `snapshot`: when the store is written to a snapshot. */
import { size } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatSize } from '#config/size.ts';
import { KB, MB } from '#config/units.ts';

export interface SnapshotConfig {
  /** Bytes of log after which a snapshot is made. */
  readonly everyBytes: number;
}

export const SNAPSHOT = defineSection({
  keys: () => ({ every: size({ min: 4 * KB }, 256 * MB) }),
  read: (values): SnapshotConfig => ({ everyBytes: values.every }),
  print: (snapshot) => ({ every: formatSize(snapshot.everyBytes) }),
});
