/**
 * Finds options that npm took for itself. `npm run walnut set k v --if-absent` runs
 * the script without the option and only sets `npm_config_if_absent` in its
 * environment (https://docs.npmjs.com/cli/using-npm/config), so a conditional write
 * would become an unconditional one. Pure.
 */

/**
 * npm reads these as the beginning of a longer option, or as several short ones, and
 * sets the name of the option that it understood. `--if-present`, `--only`, `--format`
 * and `--verbose` leave no trace at all, so they cannot be found.
 */
const TAKEN_FOR: Readonly<Record<string, string>> = {
  to: 'token-description',
  apply: 'parseable',
  lsn: 'long',
  time: 'timing',
};
/** Options that npm has, too, so that npm's own configuration file may have set them. */
const ALSO_NPM = ['all', 'force', 'json', ...Object.keys(TAKEN_FOR)];
/** npm sets these for every script, so they say nothing. `--prefix` given to npm changes the directory. */
const ALWAYS_SET = ['prefix'];

/** The binaries that `npm exec` can run, by the script that runs the same. */
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
 * What to tell the user if npm took an option of `script`, whose options are `names`
 * (without dashes). Undefined if npm took none or does not run `script`.
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

/** The npm command that runs `script`, up to its arguments; undefined if npm does not run it. */
export function runBy(env: Environment, script: string): string | undefined {
  const event = env['npm_lifecycle_event'];
  const binary = Object.hasOwn(BINARIES, script) ? BINARIES[script] : undefined;
  if (event === 'npx' && env['npm_command'] === 'exec' && binary !== undefined)
    return `npm exec -- ${binary}`;
  if (event !== script) return undefined;
  return script === 'start' || script === 'test' ? `npm ${script} --` : `npm run -s ${script} --`;
}

/** The option as typed, as far as known: npm turns `--no-follow` into an empty `follow`, and drops a separate value. */
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
