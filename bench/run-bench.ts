/**
 * `npm run bench -- SUITE`: measures, and compares with others in the same run.
 * Nothing here is asserted; figures are medians of rounds on this machine.
 */
import { benchRecovery } from './recovery.ts';
import { benchReplication } from './replication.ts';

const USAGE = `Usage: npm run bench -- recovery [--entries N,N,…] [--rounds N] [--json]
       npm run bench -- replication [--rounds N] [--seconds N] [--rate N] [--records N] [--json]

  recovery      time and peak memory of a start from the log and from a snapshot,
                next to redis-server loading the same entries from its AOF and its
                RDB where it is installed
  replication   a master, three replicas and the load as processes of this machine:
                from a write's answer to its visibility on a replica; what three
                replicas cost the master; how fast an empty replica catches up

  --entries  numbers of entries; default 100000,500000,1000000
  --rounds   measurements of each kind, in turn; default 5, the median is shown
  --seconds  of each measurement under load; default 10
  --rate     writes per second for the lag; default 5000
  --records  to catch up with; default 1000000
  --json     print JSON instead of a table
`;

/** The options of each suite, with their defaults, least and most. */
const NUMBERS = {
  rounds: [5, 1, 20],
  seconds: [10, 1, 600],
  rate: [5_000, 1, 100_000],
  records: [1_000_000, 1_000, 10_000_000],
} as const;
const ENTRIES_MAX = 10_000_000;
const SUITES: Readonly<Record<string, readonly string[]>> = {
  recovery: ['entries', 'rounds'],
  replication: ['rounds', 'seconds', 'rate', 'records'],
};

interface Arguments extends Record<keyof typeof NUMBERS, number> {
  suite: string;
  entries: number[];
  isJson: boolean;
}

/** The arguments, or what is wrong with them. */
function parse([suite = 'nothing', ...rest]: readonly string[]): Arguments | string {
  const names = SUITES[suite];
  if (names === undefined) return `expected a suite, ${Object.keys(SUITES).join(' or ')}, got ${suite}`;
  const given: Arguments = {
    suite,
    entries: [100_000, 500_000, 1_000_000],
    isJson: false,
    rounds: NUMBERS.rounds[0],
    seconds: NUMBERS.seconds[0],
    rate: NUMBERS.rate[0],
    records: NUMBERS.records[0],
  };
  while (rest.length > 0) {
    const flag = rest.shift() ?? '';
    const name = flag.slice(2);
    if (flag === '--json') given.isJson = true;
    else if (!flag.startsWith('--') || !names.includes(name)) return `unknown option ${flag} of ${suite}`;
    else {
      const problem = take(given, name as keyof typeof NUMBERS | 'entries', rest.shift() ?? '');
      if (problem !== undefined) return problem;
    }
  }
  return given;
}

function take(given: Arguments, name: keyof typeof NUMBERS | 'entries', text: string): string | undefined {
  const [, min, max] = name === 'entries' ? [0, 1, ENTRIES_MAX] : NUMBERS[name];
  const values = text.split(',').map(Number);
  const isFit = values.every((value) => Number.isInteger(value) && value >= min && value <= max);
  if (!isFit || (name !== 'entries' && values.length !== 1))
    return `--${name} is ${text}: expected ${name === 'entries' ? 'whole numbers' : 'a whole number'} from ${min} to ${max}`;
  if (name === 'entries') given.entries = values;
  else given[name] = values[0] as number;
  return undefined;
}

const parsed = process.argv.includes('--help') ? undefined : parse(process.argv.slice(2));
if (parsed === undefined) {
  process.stdout.write(USAGE);
} else if (typeof parsed === 'string') {
  process.stderr.write(`bench: ${parsed}\n\n${USAGE}`);
  process.exitCode = 2;
} else if (parsed.suite === 'recovery') {
  await benchRecovery(parsed);
} else {
  await benchReplication(parsed);
}
