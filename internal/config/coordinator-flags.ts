/** The flags of `walnut-coordinator`: those that every binary has. Wrong ones are exit code 2, all reported at once. */
import type { CommonFlags, ParsedFlags } from '#config/common-flags.ts';
import { parseFlagsWithoutRole } from '#config/node-flags.ts';

/** Every flag, without its dashes. */
export const COORDINATOR_FLAG_NAMES = ['config', 'set', 'print-config', 'check-config'];

/** The text of `--help`. */
export function coordinatorUsage(command: string): string {
  return `Usage: ${command} [--config FILE] [options]

Decides who leads the groups of a cluster. Several may run on one etcd, and one
of them is active; with a metadata store in a file there is one.

  --config FILE            read the configuration from FILE (also -config)
  --set SECTION.KEY=VALUE  override one key; repeatable; wins over the
                           environment (WALNUT_SECTION__KEY) and the file
  --print-config           print the whole configuration in effect and leave
  --check-config           check the configuration, but no file that it
                           names, and leave
  --help, --version

Exit codes: 0 clean, 2 configuration or flags, 3 the metadata store cannot be
used, 1 anything else.
`;
}

/** `argv` without the program. */
export function parseCoordinatorFlags(argv: readonly string[]): ParsedFlags<CommonFlags> {
  return parseFlagsWithoutRole(argv, 'a coordinator has no role; walnut cluster failover changes who leads');
}
