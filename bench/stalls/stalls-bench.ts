/**
 * The largest messages of the unary rpcs, one at a time, and large values to many watchers:
 * the longest turn of the server's event loop with each, in processor time of its thread.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../figures.ts';
import type { Figure, SuiteReport } from '../report.ts';
import { ProbedServer } from './probed-server.ts';
import { FILLS, type StallMessage, stallMessages } from './stall-messages.ts';
import { type StallWatch, tellWatchers, WATCHES } from './stall-watches.ts';

export interface StallsBench {
  readonly rounds: number;
  /** Messages whose name has this text. */
  readonly only: string;
}

/** What ends after its answer, such as the release of memory, belongs to the message. */
const AFTER_MS = 30;

export async function benchStalls({ rounds, only }: StallsBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-stalls-'));
  const server = await ProbedServer.start(directory);
  try {
    for (const body of FILLS) await server.send(batch(body));
    const mark = JSON.parse(String(await server.send(MARK))) as { position: { epoch: string; lsn: string } };
    const after = { epoch: BigInt(mark.position.epoch), lsn: BigInt(mark.position.lsn) };
    await server.send(batch(FILLS[0] as Uint8Array));
    const figures: Figure[] = [];
    for (const message of stallMessages(after)) {
      if (message.name.includes(only)) figures.push(await measure(server, message, rounds));
    }
    for (const watch of WATCHES) {
      if (watch.name.includes(only)) figures.push(await measureWatch(server, watch, rounds));
    }
    const how = 'one message at a time; processor time of the longest turn of the event loop';
    return { suite: 'stalls', how, pairs: [], figures };
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

const BATCH_PATH = '/walnut.v1.KVStore/Batch';

function batch(body: Uint8Array): StallMessage {
  return { name: 'fill', path: BATCH_PATH, verb: 'POST', type: 'application/proto', isGzip: false, body };
}

const MARK: StallMessage = {
  ...batch(Buffer.from('{"key":"mark"}')),
  path: '/walnut.v1.KVStore/Set',
  type: 'application/json',
};

async function measure(server: ProbedServer, message: StallMessage, rounds: number): Promise<Figure> {
  return await measured(server, message.name, rounds, async () => void (await server.send(message)));
}

async function measureWatch(server: ProbedServer, watch: StallWatch, rounds: number): Promise<Figure> {
  const watchers = await tellWatchers(server, watch);
  const figure = await measured(server, watch.name, rounds, watchers.tell);
  watchers.stop();
  return figure;
}

async function measured(
  server: ProbedServer,
  name: string,
  rounds: number,
  run: () => Promise<void>,
): Promise<Figure> {
  // The first one compiles what the others run.
  await run();
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await server.readLongestMs();
    await run();
    await new Promise((resolve) => setTimeout(resolve, AFTER_MS));
    values.push(await server.readLongestMs());
  }
  process.stderr.write(`${median(values).toFixed(0)} ms  ${name}\n`);
  return { what: name, unit: 'ms', values, aim: 'at most 50' };
}
