/** The names by which a process may be called beside localhost. */
import { hostname } from 'node:os';
import { hostOf } from '#rpc/host-policy.ts';

/** The machine's own name and the names that the configuration gives. */
export function hostNamesOf({
  advertise,
  allowedHosts,
}: {
  readonly advertise: string | undefined;
  readonly allowedHosts: readonly string[];
}): string[] {
  const advertised = advertise === undefined ? undefined : hostOf(advertise);
  return [hostname(), ...(advertised === undefined ? [] : [advertised]), ...allowedHosts];
}
