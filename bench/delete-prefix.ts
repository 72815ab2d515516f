/**
 * What deleting very many entries by prefix costs: how fast they go, and how long the
 * event loop is away meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '../client/connect.ts';
import { readDelayMs } from './loop-delay.ts';
import { fill } from './memory/fill.ts';
import type { Figure, SuiteReport } from './report.ts';
import { startWalnut } from './unary/processes.ts';
import { openSpeaker } from './wire/speakers.ts';

export interface DeletePrefixBench {
  readonly rounds: number;
  /** To delete. */
  readonly entries: number;
}

interface Measured {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly delayMs: number;
}

/** What `fill` begins its keys with. */
const PREFIX = 'key:';
const LIMIT = 10_000;

export async function benchDeletePrefix({ rounds, entries }: DeletePrefixBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const target = await startWalnut(directory, ['snapshot.every=100GB', 'wal.retention=0B']);
  try {
    const measured: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      const speaker = await openSpeaker('walnut', target.port);
      await fill(speaker, entries);
      speaker.close();
      await readDelayMs(target.port);
      measured.push(await deleteAll(target, entries));
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    const figure = (what: string, unit: string, of: (one: Measured) => number, aim?: string): Figure => ({
      what: `${what}, ${entries.toLocaleString('en')} entries`,
      unit,
      values: measured.map(of),
      aim,
    });
    return {
      suite: 'deletes',
      how: `${entries.toLocaleString('en')} entries of 16 + 100 bytes deleted by DeletePrefix, at most ${LIMIT.toLocaleString('en')} a call, one call after the other`,
      pairs: [],
      figures: [
        figure('DeletePrefix', '1/s', ({ perSecond }) => perSecond),
        figure('DeletePrefix', '1/CPU s', ({ perCpuSecond }) => perCpuSecond),
        figure('event-loop delay, p99.9', 'ms', ({ delayMs }) => delayMs, 'at most 20'),
      ],
    };
  } finally {
    await target.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function deleteAll(
  target: { readonly port: number; cpuSeconds(): number },
  entries: number,
): Promise<Measured> {
  const client = connect({ address: `127.0.0.1:${target.port}` });
  try {
    const startMs = performance.now();
    const cpu = target.cpuSeconds();
    const deleted = await client.deletePrefix(PREFIX, { limit: LIMIT });
    if (deleted !== entries) throw new Error(`${deleted} of ${entries} entries were deleted`);
    const seconds = (performance.now() - startMs) / 1_000;
    const perCpuSecond = entries / (target.cpuSeconds() - cpu);
    return { perSecond: entries / seconds, perCpuSecond, delayMs: await readDelayMs(target.port) };
  } finally {
    await client.close();
  }
}
