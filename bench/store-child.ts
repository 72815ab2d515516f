/**
 * The process that is measured: `LAYOUT COUNT` prints one layout's figures as
 * JSON. Times are the main thread's CPU time, so that other work on the machine
 * counts less; collections on that thread are in them.
 */
import { PerformanceObserver } from 'node:perf_hooks';
import { toLsn } from '#model/position.ts';
import { createStore } from '#storage/store.ts';
import { createIndexLayout, createMapLayout, type Layout } from './store-layouts.ts';

const LAYOUTS: Readonly<Record<string, () => Layout>> = {
  'maps, lru-cache, buffers': () => createMapLayout(true, false, VALUE),
  'maps, lru-cache, arena': () => createMapLayout(true, true, VALUE),
  'maps, list, arena': () => createMapLayout(false, true, VALUE),
  'index, list, arena': () => createIndexLayout(VALUE),
  store: createStoreLayout,
};
/** Operations between two looks at the clock, and between two turns of the event loop. */
const BATCH = 500;
const BATCHES_PER_TURN = 100;
const KEY_BYTES = 16;
const VALUE = Buffer.alloc(100, 'v');

function createStoreLayout(): Layout {
  const store = createStore({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' }, hashSeed: 77 });
  // Key and value stand behind each other, as in a record.
  const bytes = Buffer.concat([Buffer.alloc(KEY_BYTES), VALUE]);
  const key = { bytes, keyOffset: 0, keyBytes: KEY_BYTES };
  const pair = {
    ...key,
    valueOffset: KEY_BYTES,
    valueBytes: VALUE.length,
    expireAtMs: 0,
    typeOffset: 0,
    typeBytes: 0,
  };
  let lsn = 0;
  const next = () => ({ epoch: 1, lsn: toLsn(++lsn) });
  return {
    set: (key) => {
      for (let i = 0; i < KEY_BYTES; i++) pair.bytes[i] = key.charCodeAt(i);
      store.applyEncoded({ op: 'set', cause: 'client', ...pair }, next());
    },
    get: (key) => store.get(key, 0)?.value,
    touch: (key) => store.access(key),
    evict: () =>
      store.apply({ op: 'delete', key: store.takeVictim()?.key as string, cause: 'evicted' }, next()),
  };
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** A key as a request has it: a string of its own, decoded from bytes. */
function keyOf(number: number): string {
  return Buffer.from(`key:${String(number).padStart(12, '0')}`).toString('latin1');
}

let worstMs = 0;

/** Nanoseconds per operation. */
async function time(
  count: number,
  numberOf: (i: number) => number,
  run: (key: string) => void,
): Promise<number> {
  let totalMs = 0;
  for (let at = 0; at < count; at += BATCH) {
    const keys = Array.from({ length: BATCH }, (_, i) => keyOf(numberOf(at + i)));
    const startedMs = cpuMs();
    for (const key of keys) run(key);
    const tookMs = cpuMs() - startedMs;
    totalMs += tookMs;
    worstMs = Math.max(worstMs, tookMs);
    if ((at / BATCH) % BATCHES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return (totalMs * 1e6) / count;
}

async function measure(name: string, entries: number): Promise<void> {
  const pausesMs: number[] = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pausesMs.push(duration);
  }).observe({ entryTypes: ['gc'] });
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const layout = (LAYOUTS[name] as () => Layout)();
  const anywhere = (i: number): number =>
    Math.floor(((Math.imul(i, 2_654_435_761) >>> 0) / 2 ** 32) * entries);
  // The same number whatever is stored, so that all stores are equally warm.
  const count = 500_000;
  const insertNs = await time(
    entries,
    (i) => i,
    (key) => layout.set(key),
  );
  globalThis.gc?.();
  const bytesPerEntry = (process.memoryUsage().rss - before) / entries;
  const getNs = await time(count, anywhere, (key) => void layout.get(key));
  const touchNs = await time(count, anywhere, (key) => layout.touch(key));
  const overwriteNs = await time(count, anywhere, (key) => layout.set(key));
  const evictNs = await time(
    count,
    (i) => entries + i,
    (key) => {
      layout.evict();
      layout.set(key);
    },
  );
  const pauseMs = Math.max(0, ...pausesMs);
  const figures = { insertNs, getNs, touchNs, overwriteNs, evictNs, bytesPerEntry, worstMs, pauseMs };
  process.stdout.write(JSON.stringify(figures));
}

const [name = '', entries] = process.argv.slice(2);
await measure(name, Number(entries));
