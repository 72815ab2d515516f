/**
 * Options that npm kept for itself. `npm run walnut set k v --if-absent` runs
 * the script without the option, and only leaves `npm_config_if_absent` in its
 * environment (https://docs.npmjs.com/cli/using-npm/config): what was to be
 * done under a condition would be done without. Pure.
 */

/**
 * npm takes these for the beginning of a longer option, or for several short
 * ones, and leaves the name of what it understood. It leaves no trace at all of
 * `--if-present`, `--only`, `--format` and `--verbose`, which nothing here can find.
 */
const TAKEN_FOR: Readonly<Record<string, string>> = {
  to: 'token-description',
  apply: 'parseable',
  lsn: 'long',
  time: 'timing',
};
/** What npm itself takes by such a name, so that a configuration file of npm may set it, too. */
const ALSO_NPM = ['all', 'force', 'json', ...Object.keys(TAKEN_FOR)];
/** npm always sets these in the environment of a script; given to it, `--prefix` changes the directory. */
const ALWAYS_SET = ['prefix'];

/** Scripts that `npm exec` runs too, by the name of their binary. */
const BINARIES: Readonly<Record<string, string>> = {
  walnut: 'walnut',
  master: 'walnut-master',
  slave: 'walnut-slave',
};

export interface Swallowed {
  readonly message: string;
  /** What to type instead. */
  readonly advice: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What to say where npm swallowed an option of `script`, which has the options
 * `names` (without dashes); undefined where it did not, or did not run `script`.
 */
export function findSwallowed(
  env: Environment,
  script: string,
  names: readonly string[],
): Swallowed | undefined {
  const run = runBy(env, script);
  if (run === undefined) return undefined;
  const swallowed = [...new Set(names)].flatMap((name) => {
    const option = ALWAYS_SET.includes(name) ? undefined : optionAsTyped(env, name);
    return option === undefined ? [] : [{ name, option }];
  });
  if (swallowed.length === 0) return undefined;
  const options = swallowed.map(({ option }) => option).join(' ');
  const common = swallowed.filter(({ name }) => ALSO_NPM.includes(name)).map(({ name }) => name);
  const configured =
    common.length === 0
      ? ''
      : `\nWhere npm's own configuration sets ${common.join(', ')}, run the script's command yourself: see package.json`;
  return {
    message: `npm kept ${options} for itself: nothing was done`,
    advice: `Put -- before the arguments: ${run} … ${options}${configured}`,
  };
}

/** How npm was told to run `script`, up to its arguments; undefined where npm runs something else, or is not there. */
function runBy(env: Environment, script: string): string | undefined {
  const event = env['npm_lifecycle_event'];
  const binary = Object.hasOwn(BINARIES, script) ? BINARIES[script] : undefined;
  if (event === 'npx' && env['npm_command'] === 'exec' && binary !== undefined)
    return `npm exec -- ${binary}`;
  if (event !== script) return undefined;
  return script === 'start' || script === 'test' ? `npm ${script} --` : `npm run -s ${script} --`;
}

/** npm makes `--no-follow` an empty `follow`, and drops the value that stands apart from its option. */
function optionAsTyped(env: Environment, name: string): string | undefined {
  const isNegated = name.startsWith('no-');
  const value = keptValue(env, name.replace(/^no-/, '')) ?? keptValue(env, TAKEN_FOR[name] ?? name);
  if (value === undefined) return undefined;
  if (isNegated) return value === '' || value === 'false' ? `--${name}` : undefined;
  if (value === '') return undefined;
  const dashes = name.length === 1 ? '-' : '--';
  if (value === 'true') return `${dashes}${name}`;
  return `${dashes}${name}=${/\s/.test(value) ? JSON.stringify(value) : value}`;
}

function keptValue(env: Environment, name: string): string | undefined {
  return env[`npm_config_${name.replaceAll('-', '_')}`];
}
