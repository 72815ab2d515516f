/** Measures how long a directory's disk takes to make a small write durable. */
import { randomUUID } from 'node:crypto';
import type { Machine } from './config-machine.ts';

const WRITES = 20;
const BYTES = 4_096;
/** A disk that is so slow has been measured well enough. */
const TIME_MS_MAX = 5_000;

export interface SyncTimes {
  readonly count: number;
  readonly medianMs: number;
  readonly mostMs: number;
}

/** Rejects with the system's error. The file that it writes is removed. */
export async function measureSyncs(directory: string, machine: Machine): Promise<SyncTimes> {
  const { fileSystem } = machine;
  const path = `${directory}/walnut-doctor-${randomUUID()}.tmp`;
  const file = await fileSystem.open(path, 'create');
  try {
    const bytes = new Uint8Array(BYTES);
    const times: number[] = [];
    const startMs = machine.monotonicMs();
    for (let i = 0; i < WRITES && machine.monotonicMs() - startMs < TIME_MS_MAX; i++) {
      const beforeMs = machine.monotonicMs();
      file.writeNow(bytes, i * BYTES);
      await file.datasync();
      times.push(machine.monotonicMs() - beforeMs);
    }
    times.sort((a, b) => a - b);
    return {
      count: times.length,
      medianMs: times[Math.floor(times.length / 2)] ?? 0,
      mostMs: times.at(-1) ?? 0,
    };
  } finally {
    await file.close();
    await fileSystem.remove(path);
  }
}
