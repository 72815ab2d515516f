/** `walnut bench`: options and help. `run-bench.ts` does the work. */
import { type Command, Option } from 'commander';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import { parseCount, parseDurationMs, parseKey } from '../arguments.ts';
import type { CommandHost } from '../command-host.ts';
import { LEVELS } from '../keys/write-options.ts';
import {
  type BenchOptions,
  CLIENTS_MAX,
  KEYS_MAX,
  OPERATIONS,
  PROTOCOLS,
  parseMix,
  parseValueBytes,
  RATE_MAX,
} from './bench-plan.ts';
import { runBench } from './run-bench.ts';

const PREFIX_DEFAULT = 'walnut-bench:';

export function addBenchCommand(program: Command, host: CommandHost): void {
  const command = program
    .command('bench')
    .summary('measure a node, a group or a gateway under a load of its own')
    .description(
      'Writes keys of its own, calls the node for a while, shows how many operations a second were carried out ' +
        'and how long the calls took, and deletes its keys. It reads, writes and deletes no other key: each run ' +
        'has a prefix that no other has, and refuses more keys than there is room for. A gateway does not tell how ' +
        'much that is, so it needs --allow-eviction. Of a replica it measures the reads; writes go to its ' +
        'master. The load takes processor time and, if it writes, disk: think before you measure a group ' +
        'that is in use.',
    );
  addLoadOptions(command);
  addKeyOptions(command).addHelpText('after', DETAILS).action(host.action<BenchOptions>(runBench));
}

function addLoadOptions(command: Command): Command {
  return command
    .option('--clients <n>', 'calls under way at most', parseCount(1, CLIENTS_MAX), 16)
    .option(
      '--connections <n>',
      'that they share over HTTP/2 (default: 1); over HTTP/1.1 each has its own',
      parseCount(1, CLIENTS_MAX),
    )
    .addOption(
      new Option('--protocol <protocol>', 'Connect with protobuf over HTTP/1.1 or HTTP/2')
        .choices(PROTOCOLS)
        .default('http1'),
    )
    .option(
      '--rate <n>',
      'calls a second, whatever the answers take (default: as fast as they come)',
      parseCount(1, RATE_MAX),
    )
    .addOption(durationOption('--duration <duration>', 'measure for so long', '10s'))
    .addOption(durationOption('--warm-up <duration>', 'before that, call for so long unmeasured', '2s'));
}

function addKeyOptions(command: Command): Command {
  return command
    .option('--keys <n>', 'so many keys', parseCount(1, KEYS_MAX), 100_000)
    .addOption(
      new Option('--distribution <name>', 'which keys: all alike, or few of them most of the time')
        .choices(['uniform', 'zipf'])
        .default('uniform'),
    )
    .addOption(
      new Option('--value-size <size>', 'of each value').argParser(parseValueBytes).default(100, '100B'),
    )
    .addOption(
      new Option('--mix <gets:sets>', 'how many gets for how many sets (default: 9:1)').argParser(parseMix),
    )
    .addOption(new Option('--operation <name>', 'only this').choices(OPERATIONS).conflicts('mix'))
    .option('--batch <n>', 'operations in a call', parseCount(1, BATCH_OPERATIONS_MAX), 1)
    .addOption(
      new Option('--durability <level>', 'of writes, as for: walnut set').choices(Object.keys(LEVELS)),
    )
    .option('--prefix <prefix>', 'before the random part of its keys', parseKey, PREFIX_DEFAULT)
    .option(
      '--allow-eviction',
      'do not look whether the keys fit: other entries may be evicted for them, or writes refused',
    );
}

function durationOption(flags: string, description: string, text: string): Option {
  return new Option(flags, description).argParser(parseDurationMs).default(parseDurationMs(text), text);
}

const DETAILS = `
With --rate calls are due at fixed times, and the time of each counts from when it was due, also
where all clients were waiting (no coordinated omission): what users would see. Times are exact to
0.1 %. To keep to those times it looks at the clock without a pause, so it takes one processor.
Without --rate each client calls again when its answer came: that shows how much a node can do.

The load comes from one thread. Where that, and not the node, is the limit, the report says so.

Ctrl-C shows the figures so far and deletes the keys. If it is killed, its keys expire an hour after
the planned end; walnut delete-prefix with the prefix that it told removes them before.
Exits 1 if operations failed or the rate was not reached.

Examples:
  walnut bench
  walnut bench --rate 5000 --duration 1m
  walnut bench --operation set --durability quorum --clients 64
  walnut bench --mix 1:1 --distribution zipf --value-size 4KiB --keys 20000
  walnut bench --batch 100 --protocol http2 --connections 4
  walnut bench --address GATEWAY:8080 --keys 1000 --allow-eviction
  walnut bench --rate 1000 --json | jq '.operationKinds.get.timesMs.p99'`;
