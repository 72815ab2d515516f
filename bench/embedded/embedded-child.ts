/**
 * The program of the embedded bench: a replica inside of it, and beside that a Map with so
 * many of the same keys and Buffers as it is told. Without the address of a master it has
 * nothing at all, and tells how long the machine lets any program wait. Reads lines of orders
 * as JSON, answers each with a line.
 */
import { createInterface } from 'node:readline';
import { startEventLoopMonitor } from '#platform/event-loop-delay.ts';
import { openReplica } from '../../embedded/open-replica.ts';
import { keyOf } from '../memory/fill.ts';

export interface ReadOrder {
  readonly kind: 'get' | 'map';
  readonly seconds: number;
}
export type Order = ReadOrder | { readonly kind: 'delay' };

/** Reads between two looks at the clock. */
const SLICE = 10_000;

const [master = '', directory = '', count = '0'] = process.argv.slice(2);
const entries = Number(count);
const replica = master === '' ? undefined : await openReplica({ master, directory, openMs: 300_000 });
await replica?.ready({ timeoutMs: 300_000 });
const monitor = startEventLoopMonitor();

/** Filled in the order of the keys, as the store was: a Map that is read in its own order is read from the cache. */
const map = new Map<string, Buffer>();
for (let i = 0; i < entries; i++) map.set(keyOf(i), Buffer.from(replica?.get(keyOf(i)) ?? ''));
/** In no order, and other strings than those in the Map, as programs make them anew. */
const keys = Array.from({ length: entries }, (_, i) => keyOf((i * 7_919_011) % entries));

const READS = {
  get: (key: string) => replica?.get(key),
  map: (key: string) => map.get(key),
};

/** Reads per second of processor time, and that all of them found something. */
function read({ kind, seconds }: ReadOrder): { rate: number; cpuRate: number } {
  const one = READS[kind];
  const endMs = performance.now() + seconds * 1_000;
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  let [reads, bytes, at] = [0, 0, 0];
  while (performance.now() < endMs) {
    for (let i = 0; i < SLICE; i++) {
      bytes += one(keys[at] as string)?.length ?? Number.NaN;
      at = at + 1 === entries ? 0 : at + 1;
    }
    reads += SLICE;
  }
  if (Number.isNaN(bytes)) throw new Error(`${kind} found nothing for a key that was written`);
  const { user, system } = process.cpuUsage(cpu);
  const took = (performance.now() - startMs) / 1_000;
  return { rate: reads / took, cpuRate: reads / ((user + system) / 1e6) };
}

/** What the event loop was late since the last time, in milliseconds. */
function delay(): { p999Ms: number; maxMs: number; records: number } {
  const { p999Ms, maxMs } = monitor.read();
  return { p999Ms, maxMs, records: replica?.position.lsn ?? 0 };
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as Order;
  process.stdout.write(`${JSON.stringify(order.kind === 'delay' ? delay() : read(order))}\n`);
}
await replica?.close();
process.exit(0);
