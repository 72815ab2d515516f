/**
 * Connections by TLS. The other end must show a certificate of an authority that is
 * trusted here, for the name or address that is called; otherwise the connection fails
 * before anything is sent. Sessions are not resumed, because resuming skips these checks.
 */
import { isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import type { TlsDialer } from '#dial/endpoint.ts';
import { PROBE_MS } from '#dial/open-socket.ts';
import { isHostName } from '#model/address.ts';
import { CIPHERS } from '#tls/ciphers.ts';
import type { TlsParts } from '#tls/tls-material.ts';

export interface TlsDialerOptions {
  /**
   * Texts in PEM, asked for with each connection; the same object until they change. Without
   * `ca` the authorities are trusted that Node brings along.
   */
  readonly material: () => TlsParts;
  /** The name that certificates must be for, whatever address is called. Undefined: the host of the address. */
  readonly serverName: string | undefined;
}

/** Throws an `Error` where the first material, or the name, cannot be used. */
export function createTlsDialer({ material, serverName }: TlsDialerOptions): TlsDialer {
  if (serverName !== undefined && !isHostName(serverName))
    throw new Error(`the server name is ${JSON.stringify(serverName)}: expected a host name, not an address`);
  let last = material();
  let context = contextOf(last);
  const contextNow = (): SecureContext => {
    const now = material();
    if (now !== last) context = contextOf(now);
    last = now;
    return context;
  };
  return {
    open: ({ host, port }, protocol): Socket => {
      const socket = connect({
        host,
        port,
        secureContext: contextNow(),
        ALPNProtocols: [protocol],
        // NODE_TLS_REJECT_UNAUTHORIZED=0 would switch it off.
        rejectUnauthorized: true,
        checkServerIdentity: objectionToNames,
        // An address is not sent as a name; the certificate must have it all the same.
        servername: serverName ?? (isIP(host) === 0 ? host : ''),
      });
      // A write that waits in TLS would fail with less of a reason than the handshake does.
      socket.cork();
      socket.once('secureConnect', () => socket.uncork());
      socket.setNoDelay(true);
      socket.setKeepAlive(true, PROBE_MS);
      return socket;
    },
  };
}

/** By the alternative names alone: the CN is free text to many an authority, and Node would take it for a name. */
function objectionToNames(name: string, { subject, ...certificate }: PeerCertificate): Error | undefined {
  const { CN: _, ...others } = subject ?? {};
  return checkServerIdentity(name, { ...certificate, subject: others } as PeerCertificate);
}

function contextOf({ ca, cert, key }: TlsParts): SecureContext {
  try {
    return createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2', ciphers: CIPHERS });
  } catch (error) {
    throw new Error(
      `expected certificates and a key in PEM that belong together (${(error as Error).message})`,
      { cause: error },
    );
  }
}
