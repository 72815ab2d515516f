/**
 * What other nodes are told to reach this one by. Pure.
 *
 * `server.advertise` where it is set; else the address or name that the server
 * was bound to on purpose, as it is configured, so that a name stays one. Only
 * a server that listens on all addresses leaves the host to whoever is told:
 * the address that the connection came from.
 */

/** What all addresses of a machine look like once they are bound. */
const EVERYWHERE = /^(?:0\.0\.0\.0|\[::\]):\d+$/;

export interface ServerSettings {
  /** `server.advertise`. */
  readonly advertise: string | undefined;
  /** `server.address`. */
  readonly address: string;
}

/** `bound`: where the server listens, `host:port`. Returns `host:port`, or `:port`. */
export function announcedAddress(
  settings: ServerSettings,
  bound: { readonly address: string; readonly port: number },
): string {
  if (settings.advertise !== undefined) return settings.advertise;
  const host = settings.address;
  // The zone of a link-local address is this machine's own word for it.
  if (EVERYWHERE.test(bound.address) || host.includes('%')) return `:${bound.port}`;
  return host.includes(':') ? `[${host}]:${bound.port}` : `${host}:${bound.port}`;
}
