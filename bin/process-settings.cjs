'use strict';
// What V8 and the C library are told when a process of Walnut starts: how large the heap may
// get, how many threads there are, how memory is given back. None of it can be changed later.
// It is CommonJS in the syntax of old Nodes, as launch.cjs is.
const fs = require('node:fs');
const os = require('node:os');

/** Bytes of memory this process may use: the cgroup's limit or the machine's RAM. */
function memoryBytes() {
  const total = os.totalmem();
  const constrained = process.constrainedMemory === undefined ? 0 : process.constrainedMemory();
  return constrained > 0 ? Math.min(total, constrained) : total;
}

const MIB = 1024 * 1024;
const SIZE_UNITS = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: MIB, GiB: 1024 * MIB };
/** What runs nodes, in this process or as children that inherit its flags. */
const NODE_ENTRIES = [
  'cmd/master.ts',
  'cmd/slave.ts',
  'cmd/node.ts',
  'cmd/group.ts',
  'cmd/cluster.ts',
  'cmd/cluster-ha.ts',
];

/** What serves many short calls: nodes, and what passes calls on to them. */
const SERVING_ENTRIES = [...NODE_ENTRIES, 'cmd/gateway.ts'];

/** `storage.max_memory` in bytes where it is well written, by the precedence of all keys; the node checks the rest. */
function configuredMemoryBytes(args, env) {
  const texts = [env.WALNUT_STORAGE__MAX_MEMORY];
  args.forEach((argument, i) => {
    const [, name, value = args[i + 1]] = /^--?(set|config)(?:=([\s\S]*))?$/.exec(argument) || [];
    const set = /^storage\.max_memory=(.*)$/.exec(value || '');
    if (name === 'set' && set !== null) texts.unshift(set[1]);
    if (name === 'config' && value !== undefined) texts.push(memoryLineOf(value));
  });
  const [, digits, unit] = /^(\d{1,16})([A-Za-z]{1,3})$/.exec(texts.find(Boolean) || '') || [];
  return SIZE_UNITS[unit] === undefined ? undefined : Number(digits) * SIZE_UNITS[unit];
}

/** The value of `max_memory` in a YAML file: the name is no other section's. */
function memoryLineOf(file) {
  try {
    const line = /^[^#\n]*\bmax_memory["']?\s*:\s*["']?(\w+)/m.exec(fs.readFileSync(file, 'utf8'));
    return line === null ? undefined : line[1];
  } catch {
    // The node reads it again, and says what is wrong.
    return undefined;
  }
}

/**
 * V8's heap limit in MiB; it cannot be raised later. Entries lie outside the
 * heap, so a node's is what a quarter of `storage.max_memory` and its calls may
 * need, and no more than three quarters of what `max_memory` leaves. By default
 * `max_memory` is less than 0.6 of a small machine (internal/platform/memory-plan.ts),
 * which makes no difference to the limit.
 */
function heapMegabytes(entry, args, env, availableBytes) {
  if (!NODE_ENTRIES.includes(entry)) {
    // The program, buffers and what V8 needs beside its heap take the rest: without it a small
    // container is killed before V8 finds that it has to collect.
    const left = Math.min(availableBytes * 0.75, availableBytes - 192 * MIB);
    return Math.floor(Math.max(96, left / MIB));
  }
  const storeBytes = configuredMemoryBytes(args, env) || availableBytes * 0.6;
  const wanted = 512 * MIB + storeBytes / 4;
  const least = Math.min(256, Math.max(96, availableBytes / 4 / MIB));
  return Math.floor(Math.max(least, Math.min(wanted, (availableBytes - storeBytes) * 0.75) / MIB));
}

/** Megabytes of V8's two halves for new objects: more is slower to give back, and no faster here. */
const SEMI_SPACE_MEGABYTES = 4;
/**
 * The main thread collects so few new objects in 0.3 ms. Other threads have to be woken and
 * waited for: with them Gets and Sets took some 5 % more processor time on busy cores.
 */
const ONE_COLLECTOR = '--no-parallel-scavenge';

/**
 * V8 makes objects in the old generation at places in the code where earlier ones lived long.
 * A message to a watcher that once waited for its connection is such a place: with 1,000
 * watchers a Set left 700 bytes there, a full collection was due after 35,000 Sets instead of
 * 80,000, and it marks all that a watcher is made of.
 */
const YOUNG_AT_FIRST = '--no-allocation-site-pretenuring';

/**
 * V8's threads beside the main one (its default is 4). On two cores, threads of
 * several nodes that collect and compile at once keep all of them from running:
 * with one the slowest Sets take half as long.
 */
function backgroundThreads() {
  return Math.max(1, Math.min(4, os.cpus().length - 1));
}

function v8Flags(entry, args) {
  const given = process.env.NODE_OPTIONS || '';
  // SIGUSR1 would open a debugger to everyone on the host.
  const flags = ['--disable-sigusr1'];
  if (!/--max[-_]old[-_]space[-_]size/.test(given))
    flags.push(`--max-old-space-size=${heapMegabytes(entry, args, process.env, memoryBytes())}`);
  if (!SERVING_ENTRIES.includes(entry)) return flags;
  if (!/--max[-_]semi[-_]space[-_]size/.test(given))
    flags.push(`--max-semi-space-size=${SEMI_SPACE_MEGABYTES}`);
  if (!/--v8[-_]pool[-_]size/.test(given)) flags.push(`--v8-pool-size=${backgroundThreads()}`);
  flags.push(ONE_COLLECTOR, YOUNG_AT_FIRST);
  return flags;
}

/** What the process's environment must have besides. */
function processEnvironment(entry) {
  // Snapshot reads must not queue ahead of the log's fdatasync.
  const env = { UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '16' };
  if (!SERVING_ENTRIES.includes(entry)) return env;
  // glibc would keep freed buffers for later, and more in each thread's arena. Large buffers get mappings
  // of their own, so that none that lives long stands between freed ones; but no more than half of what
  // Linux lets a process have. Smaller ones, such as the record of a batch, come and go too often:
  // each page of a new mapping costs a fault. Values of up to this size lie in the store's own chunks.
  env.MALLOC_MMAP_THRESHOLD_ = process.env.MALLOC_MMAP_THRESHOLD_ || '16384';
  env.MALLOC_MMAP_MAX_ = process.env.MALLOC_MMAP_MAX_ || '32768';
  env.MALLOC_TRIM_THRESHOLD_ = process.env.MALLOC_TRIM_THRESHOLD_ || '131072';
  env.MALLOC_ARENA_MAX = process.env.MALLOC_ARENA_MAX || '2';
  return env;
}

module.exports = { NODE_ENTRIES, YOUNG_AT_FIRST, heapMegabytes, processEnvironment, v8Flags };
