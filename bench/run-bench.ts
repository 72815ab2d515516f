/**
 * `npm run bench -- SUITE`: measures, and compares with others in the same run.
 * Nothing here is asserted; figures are medians of rounds on this machine.
 */
import { parseArgs } from 'node:util';
import { benchCheckpoint } from './checkpoint.ts';
import { benchRecovery } from './recovery.ts';
import { benchReplication } from './replication.ts';
import { benchStore } from './store.ts';
import { benchUnary } from './unary/unary-bench.ts';

const USAGE = `Usage: npm run bench -- SUITE [options]

  recovery      time and peak memory of a start from the log and from a snapshot,
                next to redis-server loading the same entries from its AOF and its
                RDB where it is installed
  checkpoint    what checkpoints of many entries cost who writes meanwhile: times of
                writes and the event loop's delay, with and without, in turn
  replication   a master, three replicas and the load as processes of this machine:
                from a write's answer to its visibility on a replica; what three
                replicas cost the master; how fast an empty replica catches up
  store         entries in memory, no server and no log: CPU time per operation, bytes
                per entry, the longest stretch and collection, for the store and for
                the layouts that it was chosen from
  unary         single Gets and Sets by Connect, JSON, gRPC and /v1/keys, next to
                bare node:http and node:http2 answering the same bytes, to stock
                connect-node, and to redis-server and etcd where they are installed;
                load by wrk and h2load where they are installed

  --rounds N       measurements of each kind, in turn; default 5, the median is shown
  --json           print JSON instead of a table
  --entries N,N,…  recovery, store: numbers of entries; default 100000,500000,1000000
                   and 100000,1000000,4000000; checkpoint: one number; default 1000000
  --seconds N      checkpoint, replication, unary: of each measurement under load;
                   default 10, 10 and 2
  --rate N         checkpoint, replication: writes per second; default 5000
  --records N      replication: to catch up with; default 1000000
  --only TEXT      unary: calls whose name has this text, such as "get" or "grpc"

Examples:
  npm run bench -- recovery --entries 1000000
  npm run bench -- checkpoint --rounds 3
  npm run bench -- replication --seconds 5
  npm run bench -- store --entries 10000000 --rounds 1
  npm run bench -- unary --only "get h1" --rounds 9
  npm run bench -- unary --json > unary.json
`;

class UsageError extends Error {}

function numberOf(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`--${flag}: expected a whole number from ${min} to ${max}, got ${text}`);
  return value;
}

const COMMON = {
  rounds: { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
} as const;

const SUITES: Readonly<Record<string, (rest: string[]) => Promise<void>>> = {
  recovery: (args) => {
    const entries = { type: 'string', default: '100000,500000,1000000' } as const;
    const { values } = parseArgs({ args, options: { ...COMMON, entries } });
    return benchRecovery({
      entries: values.entries.split(',').map((one) => numberOf('entries', one, 1, 10_000_000)),
      rounds: numberOf('rounds', values.rounds, 1, 20),
      isJson: values.json,
    });
  },
  store: async (args) => {
    const entries = { type: 'string', default: '100000,1000000,4000000' } as const;
    const { values } = parseArgs({ args, options: { ...COMMON, entries } });
    benchStore({
      entries: values.entries.split(',').map((one) => numberOf('entries', one, 1_000, 100_000_000)),
      rounds: numberOf('rounds', values.rounds, 1, 20),
      isJson: values.json,
    });
  },
  checkpoint: (args) => {
    const options = {
      ...COMMON,
      entries: { type: 'string', default: '1000000' },
      seconds: { type: 'string', default: '10' },
      rate: { type: 'string', default: '5000' },
    } as const;
    const { values } = parseArgs({ args, options });
    return benchCheckpoint({
      entries: numberOf('entries', values.entries, 1_000, 10_000_000),
      rounds: numberOf('rounds', values.rounds, 1, 20),
      seconds: numberOf('seconds', values.seconds, 1, 600),
      rate: numberOf('rate', values.rate, 1, 100_000),
      isJson: values.json,
    });
  },
  replication: (args) => {
    const options = {
      ...COMMON,
      seconds: { type: 'string', default: '10' },
      rate: { type: 'string', default: '5000' },
      records: { type: 'string', default: '1000000' },
    } as const;
    const { values } = parseArgs({ args, options });
    return benchReplication({
      rounds: numberOf('rounds', values.rounds, 1, 20),
      seconds: numberOf('seconds', values.seconds, 1, 600),
      rate: numberOf('rate', values.rate, 1, 100_000),
      records: numberOf('records', values.records, 1_000, 10_000_000),
      isJson: values.json,
    });
  },
  unary: (args) => {
    const options = {
      ...COMMON,
      seconds: { type: 'string', default: '2' },
      only: { type: 'string', default: '' },
    } as const;
    const { values } = parseArgs({ args, options });
    return benchUnary({
      rounds: numberOf('rounds', values.rounds, 1, 100),
      seconds: numberOf('seconds', values.seconds, 1, 600),
      only: values.only,
      isJson: values.json,
    });
  },
};

async function main(argv: readonly string[]): Promise<void> {
  const [name, ...rest] = argv;
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(USAGE);
    return;
  }
  const suite = SUITES[name ?? ''];
  const known = Object.keys(SUITES).join(', ');
  if (suite === undefined) throw new UsageError(`expected a suite (${known}), got ${name ?? 'nothing'}`);
  await suite(rest);
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS');
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!isUsage(error)) throw error;
  process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
});
