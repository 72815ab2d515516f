/** The arguments of the long runs, read strictly: a misspelt one must not shorten a night's run. */

export interface TortureOptions {
  /** Undefined: every part. */
  readonly only: Part | undefined;
  readonly seed: number;
  /** For each part that runs until told to stop. */
  readonly seconds: number;
  /** How many rounds `cluster-processes` and `gateway` have, and how many failovers `client`. */
  readonly rounds: number;
}

export const PARTS = [
  'wal',
  'damage',
  'process',
  'syscalls',
  'links',
  'groups',
  'clusters',
  'model',
  'failovers',
  'client',
  'cluster-processes',
  'gateway',
  'stampede',
  'rotations',
  'attack',
  'fuzz',
] as const;
export type Part = (typeof PARTS)[number];

const ARGUMENTS: readonly string[] = ['--only', '--seed', '--seconds', '--rounds'];
const SEED_MAX = 2 ** 32 - 1;
const SECONDS_DEFAULT = 300;
const ROUNDS_DEFAULT = 300;

export const USAGE = `usage: npm run test:torture -- [--only PART] [--seed N] [--seconds N] [--rounds N]

Runs everything, some two hours, or one part; CONTRIBUTING.md says what each does and needs.

  --only PART   ${PARTS.slice(0, 8).join(', ')},
                ${PARTS.slice(8).join(', ')}
  --seed N      begins from a seed that was printed; default: a random one
  --seconds N   of each part that runs until told to stop; default ${SECONDS_DEFAULT}
  --rounds N    of cluster-processes and gateway, and failovers of client; default ${ROUNDS_DEFAULT}
  -h, --help    this text`;

/** The options, or what is wrong with the arguments. `seedDefault` where none is given. */
export function parseTortureOptions(argv: readonly string[], seedDefault: number): TortureOptions | string {
  const given = new Map<string, string>();
  for (let i = 0; i < argv.length; i += 2) {
    const [name = '', value] = argv.slice(i, i + 2);
    if (!ARGUMENTS.includes(name)) return `unknown argument ${JSON.stringify(name)}`;
    if (value === undefined) return `${name} needs a value`;
    if (given.has(name)) return `${name} is given twice`;
    given.set(name, value);
  }
  const only = given.get('--only');
  if (only !== undefined && !PARTS.includes(only as Part))
    return `--only is ${only}: expected ${PARTS.join(', ')}`;
  const seed = wholeNumber(given.get('--seed'), seedDefault, 0, SEED_MAX);
  if (seed === undefined) return `--seed is ${given.get('--seed')}: expected 0 .. ${SEED_MAX}`;
  const seconds = wholeNumber(given.get('--seconds'), SECONDS_DEFAULT, 1, 86_400);
  if (seconds === undefined) return `--seconds is ${given.get('--seconds')}: expected 1 .. 86400`;
  const rounds = wholeNumber(given.get('--rounds'), ROUNDS_DEFAULT, 1, 10_000);
  if (rounds === undefined) return `--rounds is ${given.get('--rounds')}: expected 1 .. 10000`;
  return { only: only as Part | undefined, seed, seconds, rounds };
}

function wholeNumber(
  text: string | undefined,
  missing: number,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return missing;
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
