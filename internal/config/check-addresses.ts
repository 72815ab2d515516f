/** Addresses by which a process would call itself, or others themselves. Pure. */
import type { NodeConfig } from '#config/binaries.ts';
import type { CrossProblem } from '#config/check-security.ts';
import type { ServerConfig } from '#config/sections/server.ts';

type Place = Pick<ServerConfig, 'address' | 'port' | 'advertise'>;

const EVERYWHERE = /^(?:0\.0\.0\.0|\[?::\]?)$/;

/** A process that is told to call every address calls itself. */
export function checkAdvertisedHost({ advertise }: Pick<Place, 'advertise'>): CrossProblem[] {
  if (advertise === undefined || !EVERYWHERE.test(advertise.slice(0, advertise.lastIndexOf(':')))) return [];
  const message = `expected the host:port by which others reach this process, got ${JSON.stringify(advertise)}, by which they reach themselves`;
  return [{ section: 'server', key: 'advertise', message }];
}

/** A node is neither its own master nor a replica of its own. */
export function checkOthers(config: NodeConfig): CrossProblem[] {
  const own = ownAddresses(config.server);
  const problems: CrossProblem[] = [];
  const judge = (address: string, section: string, key: string, within?: string): void => {
    if (!own.has(address.toLowerCase())) return;
    const message = `expected the address of another node: ${address} is this one`;
    problems.push({ section, key, message, ...(within === undefined ? {} : { within }) });
  };
  if (config.kind === 'slave') judge(config.master.address, 'master', 'address');
  config.replication.replicas.forEach((address, i) => {
    judge(address, 'replication', 'replicas', `[${i}]`);
  });
  return problems;
}

function ownAddresses({ address, port, advertise }: Place): ReadonlySet<string> {
  const host = address.includes(':') ? `[${address}]` : address;
  const hosts = EVERYWHERE.test(address) ? ['127.0.0.1', 'localhost', '[::1]'] : [host];
  // With port 0 the system chooses one.
  const bound = port === 0 ? [] : hosts.map((each) => `${each}:${port}`);
  return new Set(
    [...bound, ...(advertise === undefined ? [] : [advertise])].map((each) => each.toLowerCase()),
  );
}
