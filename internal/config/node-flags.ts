/** The flags of `walnut-master`, `walnut-slave` and `walnut-node`. Wrong ones are exit code 2, all reported at once. */
import type { CommonFlags, ParsedFlags } from '#config/common-flags.ts';
import type { Role } from '#model/status.ts';

export interface NodeFlags extends CommonFlags {
  /** Overrides the role that the data directory remembers. */
  readonly forceRole: Role | undefined;
}

/** Every flag, without its dashes. */
export const NODE_FLAG_NAMES = ['config', 'set', 'print-config', 'check-config', 'force-role'];

const ROLES: readonly string[] = ['master', 'replica'] satisfies Role[];

const FORCE_ROLE_USAGE = `  --force-role ROLE        start as master or replica, whatever the data
                           directory remembers
`;

/** The text of `--help`. */
export function nodeUsage(command: string): string {
  const forceRole = command === 'walnut-node' ? '' : FORCE_ROLE_USAGE;
  return `Usage: ${command} [--config FILE] [options]

  --config FILE            read the configuration from FILE (also -config)
  --set SECTION.KEY=VALUE  override one key; repeatable; wins over the
                           environment (WALNUT_SECTION__KEY) and the file
  --print-config           print the whole configuration in effect and leave
  --check-config           check the configuration, but no file that it
                           names, and leave
${forceRole}  --help, --version

Exit codes: 0 clean, 2 configuration or flags, 3 the data directory cannot be
used, 4 storage failure while running, 1 anything else.
`;
}

/** `argv` without the program. Values follow as `--flag VALUE` or `--flag=VALUE`; one dash does as well. */
export function parseNodeFlags(argv: readonly string[]): ParsedFlags<NodeFlags> {
  const problems: string[] = [];
  const sets: string[] = [];
  const switches = new Set<string>();
  let configFile: string | undefined;
  let forceRole: Role | undefined;

  const rest = [...argv];
  while (rest.length > 0) {
    const argument = rest.shift() as string;
    const match = /^--?([a-z][a-z-]*)(?:=([\s\S]*))?$/.exec(argument);
    const name = match?.[1] ?? '';
    const takeValue = (form: string): string | undefined => {
      const value = match?.[2] ?? rest.shift();
      if (!value) problems.push(`--${name}: expected ${form} after it`);
      return value;
    };
    if (name === 'config') {
      if (configFile !== undefined) problems.push('--config: expected once');
      configFile = takeValue('FILE');
    } else if (name === 'set') {
      const set = takeValue('SECTION.KEY=VALUE');
      if (set !== undefined) sets.push(set);
    } else if (name === 'force-role') {
      if (forceRole !== undefined) problems.push('--force-role: expected once');
      const role = takeValue('master or replica');
      if (role && !ROLES.includes(role)) {
        problems.push(`--force-role: expected master or replica, got ${JSON.stringify(role)}`);
      }
      forceRole = role as Role | undefined;
    } else if (/^(print-config|check-config|help|version)$/.test(name) && match?.[2] === undefined) {
      switches.add(name);
    } else if (argument === '-h') {
      switches.add('help');
    } else {
      problems.push(`${JSON.stringify(argument)}: unknown flag; see --help`);
    }
  }
  if (switches.has('help')) return { kind: 'help' };
  if (problems.length > 0) return { kind: 'error', problems };
  if (switches.has('version')) return { kind: 'version' };
  return {
    kind: 'run',
    configFile,
    sets,
    shouldPrintConfig: switches.has('print-config'),
    shouldCheckConfig: switches.has('check-config'),
    forceRole,
  };
}

/** Like `parseNodeFlags`, for a process whose role no flag decides. `why`: the answer to one that tries. */
export function parseFlagsWithoutRole(argv: readonly string[], why: string): ParsedFlags<NodeFlags> {
  const flags = parseNodeFlags(argv);
  if (flags.kind !== 'run' || flags.forceRole === undefined) return flags;
  return { kind: 'error', problems: [`--force-role: ${why}`] };
}

/** The flags of a member of a cluster: none makes it lead. */
export function parseMemberFlags(argv: readonly string[]): ParsedFlags<NodeFlags> {
  const why = 'a coordinator decides who leads in a cluster; use walnut cluster failover';
  return parseFlagsWithoutRole(argv, why);
}
