/** The flags of `walnut-gateway`: those that every binary has. Wrong ones are exit code 2, all reported at once. */
import type { CommonFlags, ParsedFlags } from '#config/common-flags.ts';
import { parseFlagsWithoutRole } from '#config/node-flags.ts';

/** Every flag, without its dashes. */
export const GATEWAY_FLAG_NAMES = ['config', 'set', 'print-config', 'check-config'];

/** The text of `--help`. */
export function gatewayUsage(command: string): string {
  return `Usage: ${command} [--config FILE] [options]

Serves the keys of a whole cluster at one address, as a node serves its own.
Any number of gateways may run; they keep nothing but the map of the cluster.

  --config FILE            read the configuration from FILE (also -config)
  --set SECTION.KEY=VALUE  override one key; repeatable; wins over the
                           environment (WALNUT_SECTION__KEY) and the file
  --print-config           print the whole configuration in effect and leave
  --check-config           check the configuration, but no file that it
                           names, and leave
  --help, --version

Exit codes: 0 clean, 2 configuration or flags, 1 anything else.
`;
}

/** `argv` without the program. */
export function parseGatewayFlags(argv: readonly string[]): ParsedFlags<CommonFlags> {
  return parseFlagsWithoutRole(argv, 'a gateway has no role; walnut cluster failover changes who leads');
}
