/** The certificates of this node: followed, and shown in its metrics. */
import type { NodeConfig } from '#config/binaries.ts';
import type { TlsOptions } from '#rpc/tls/tls-gate.ts';
import { TlsFiles } from '#tls/tls-files.ts';
import { registerTlsMetrics } from '#tls/tls-metrics.ts';
import type { SecurityParts } from './node-security.ts';

export interface NodeTls {
  /** Undefined: the port speaks clear text. */
  readonly server: TlsOptions | undefined;
}

/** Throws `SecretFileError` where a file cannot be used. */
export async function openNodeTls({ server }: NodeConfig, parts: SecurityParts): Promise<NodeTls> {
  const { mode, cert, key, clientCa, ...others } = server.tls;
  if (mode === 'off') return { server: undefined };
  const files = await TlsFiles.open({ ...parts, section: 'server.tls', paths: { cert, key, ca: clientCa } });
  parts.closers.push('server.tls', () => files.close());
  registerTlsMetrics(parts.metrics, [files]);
  return { server: { ...others, mode, files } };
}
