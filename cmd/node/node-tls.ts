/** The certificates of this node, for those who call it and for those that it calls: followed, and shown in its metrics. */
import type { BinaryKind, ConfigOf } from '#config/binaries.ts';
import type { TlsDialer } from '#dial/endpoint.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import type { TlsOptions } from '#rpc/tls/tls-gate.ts';
import { TlsFiles } from '#tls/tls-files.ts';
import type { TlsParts } from '#tls/tls-material.ts';
import { registerTlsMetrics } from '#tls/tls-metrics.ts';
import type { SecurityParts } from './node-security.ts';

export interface NodeTls {
  /** Undefined: the port speaks clear text. */
  readonly server: TlsOptions | undefined;
  /** Undefined: the other nodes are called in clear text. */
  readonly peer: TlsDialer | undefined;
}

/**
 * Throws `SecretFileError` where a file cannot be used. `more`: files of this process that are open
 * already; their metrics are registered with these.
 */
export async function openNodeTls(
  { server, peer, auth }: Pick<ConfigOf<BinaryKind>, 'server' | 'peer' | 'auth'>,
  parts: SecurityParts,
  more: readonly TlsFiles[] = [],
): Promise<NodeTls> {
  const { mode, cert, key, clientCa, ...others } = server.tls;
  const { serverName, ...peerPaths } = peer.tls;
  if (mode === 'optional' && others.clientAuth === 'require') {
    const message =
      'server.tls.client_auth: require does not apply to clear text, which server.tls.mode: optional serves too';
    parts.logger.warn({}, message);
  }
  const served =
    mode === 'off' ? undefined : await openFiles('server.tls', { cert, key, ca: clientCa }, parts);
  const called = peerPaths.ca === undefined ? undefined : await openFiles('peer.tls', peerPaths, parts);
  const all = [served, called, ...more].filter((files) => files !== undefined);
  if (all.length > 0) registerTlsMetrics(parts.metrics, all);
  return {
    server:
      served === undefined || mode === 'off'
        ? undefined
        : { ...others, mode, files: served, takesCn: auth.certificateCn },
    peer: called && dialerOf(called, serverName),
  };
}

/** Followed until the process ends. Throws `SecretFileError` where a file cannot be used. */
export async function openFiles(
  section: TlsFiles['section'],
  paths: TlsParts,
  parts: SecurityParts,
): Promise<TlsFiles> {
  const files = await TlsFiles.open({ ...parts, section, paths });
  parts.closers.push(section, () => files.close());
  return files;
}

/** Connections that are verified, and shown, by these files as they are now. */
export function dialerOf(files: TlsFiles, serverName: string | undefined): TlsDialer {
  return createTlsDialer({ material: () => files.current.parts, serverName });
}
