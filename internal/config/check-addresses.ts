/** Addresses that a process tells others and by which they would call themselves. Pure. */
import type { CrossProblem } from '#config/check-security.ts';
import type { ServerConfig } from '#config/sections/server.ts';

const EVERYWHERE = /^(?:0\.0\.0\.0|\[?::\]?)$/;

/** A process that is told to call every address calls itself. */
export function checkAdvertisedHost({ advertise }: Pick<ServerConfig, 'advertise'>): CrossProblem[] {
  if (advertise === undefined || !EVERYWHERE.test(advertise.slice(0, advertise.lastIndexOf(':')))) return [];
  const message = `expected the host:port by which others reach this process, got ${JSON.stringify(advertise)}, by which they reach themselves`;
  return [{ section: 'server', key: 'advertise', message }];
}
