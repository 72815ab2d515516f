/**
 * `npm run bench -- SUITE`: measures, and compares with others in the same run.
 * Nothing here is asserted; figures are medians of rounds on this machine.
 */
import { benchRecovery } from './recovery.ts';

const USAGE = `Usage: npm run bench -- recovery [--entries N,N,…] [--rounds N] [--json]

  recovery   time and peak memory of a start from the log and from a snapshot,
             next to redis-server loading the same entries from its AOF and its
             RDB where it is installed

  --entries  numbers of entries; default 100000,500000,1000000
  --rounds   starts of each kind, in turn; default 5, the median is shown
  --json     print JSON instead of a table
`;

interface Arguments {
  readonly entries: readonly number[];
  readonly rounds: number;
  readonly isJson: boolean;
}

function parse(argv: readonly string[]): Arguments | string {
  const [suite, ...rest] = argv;
  if (suite !== 'recovery') return `expected the suite recovery, got ${suite ?? 'nothing'}`;
  let entries = [100_000, 500_000, 1_000_000];
  let rounds = 5;
  let isJson = false;
  while (rest.length > 0) {
    const flag = rest.shift();
    if (flag === '--json') isJson = true;
    else if (flag === '--entries') entries = (rest.shift() ?? '').split(',').map(Number);
    else if (flag === '--rounds') rounds = Number(rest.shift());
    else return `unknown option ${flag}`;
  }
  if (!entries.every((one) => Number.isInteger(one) && one > 0 && one <= 10_000_000)) {
    return '--entries: expected whole numbers from 1 to 10000000';
  }
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20)
    return '--rounds: expected a whole number from 1 to 20';
  return { entries, rounds, isJson };
}

const parsed = parse(process.argv.slice(2));
if (process.argv.includes('--help')) {
  process.stdout.write(USAGE);
} else if (typeof parsed === 'string') {
  process.stderr.write(`bench: ${parsed}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  await benchRecovery(parsed);
}
