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

/** Throws `SecretFileError` where a file cannot be used. */
export async function openNodeTls(
  { server, peer, auth }: Pick<ConfigOf<BinaryKind>, 'server' | 'peer' | 'auth'>,
  parts: SecurityParts,
): Promise<NodeTls> {
  const { mode, cert, key, clientCa, ...others } = server.tls;
  const { serverName, ...peerPaths } = peer.tls;
  if (mode === 'optional' && others.clientAuth === 'require') {
    const message =
      'server.tls.client_auth: require does not apply to clear text, which server.tls.mode: optional serves too';
    parts.logger.warn({}, message);
  }
  const all: TlsFiles[] = [];
  const open = async (section: TlsFiles['section'], paths: TlsParts): Promise<TlsFiles> => {
    const files = await TlsFiles.open({ ...parts, section, paths });
    parts.closers.push(section, () => files.close());
    all.push(files);
    return files;
  };
  const served = mode === 'off' ? undefined : await open('server.tls', { cert, key, ca: clientCa });
  const called = peerPaths.ca === undefined ? undefined : await open('peer.tls', peerPaths);
  if (all.length > 0) registerTlsMetrics(parts.metrics, all);
  return {
    server:
      served === undefined || mode === 'off'
        ? undefined
        : { ...others, mode, files: served, takesCn: auth.certificateCn },
    peer: called && createTlsDialer({ material: () => called.current.parts, serverName }),
  };
}
