/**
 * Returns the address that this node tells other nodes. Pure.
 *
 * That is `server.advertise` if it is set, else `server.address` as it is configured, so
 * that a name stays a name. A server that listens on all addresses states only its port,
 * and each receiver adds the address that the connection came from.
 */

/** The bound address of a server that listens on all addresses. */
const EVERYWHERE = /^(?:0\.0\.0\.0|\[::\]):\d+$/;

export interface ServerSettings {
  /** `server.advertise`. */
  readonly advertise: string | undefined;
  /** `server.address`. */
  readonly address: string;
}

/** `bound`: the address at which the server listens, `host:port`. Returns `host:port`, or `:port`. */
export function announcedAddress(
  settings: ServerSettings,
  bound: { readonly address: string; readonly port: number },
): string {
  if (settings.advertise !== undefined) return settings.advertise;
  const host = settings.address;
  // The zone of a link-local address has a meaning on this machine only.
  if (EVERYWHERE.test(bound.address) || host.includes('%')) return `:${bound.port}`;
  return host.includes(':') ? `[${host}]:${bound.port}` : `${host}:${bound.port}`;
}
