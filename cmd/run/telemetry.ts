/** The export of metrics that `metrics.otlp` asks for: its files, its connection, and what it says of this process. */
import { hostname } from 'node:os';
import type { BinaryKind } from '#config/binaries.ts';
import { type MetricsConfig, OTLP_INTERVAL_MS, type OtlpConfig } from '#config/sections/metrics.ts';
import type { Endpoint, TlsDialer } from '#dial/endpoint.ts';
import { createPost } from '#dial/post.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import { withoutQuery } from '#telemetry/export-outcome.ts';
import { parseHeaderLines } from '#telemetry/header-lines.ts';
import { OtlpExporter } from '#telemetry/otlp-exporter.ts';
import type { TlsFiles } from '#tls/tls-files.ts';
import { followSecret, type SecurityParts } from '../node/node-security.ts';
import { openFiles } from '../node/node-tls.ts';
import { packageVersion } from './package-version.ts';

export interface Telemetry {
  /** Followed files of the export, whose expiry belongs into the metrics of this process. */
  readonly tls: readonly TlsFiles[];
  /** Begins to export. `address`: by which others know this process. */
  start(kind: BinaryKind, address: string): void;
}

/** The path at which collectors take metrics, unless the endpoint has one of its own. */
const METRICS_PATH = '/v1/metrics';
const NOTHING: Telemetry = { tls: [], start: () => {} };

/** Throws `SecretFileError` where a file cannot be used. Reaches the collector only after `start`. */
export async function openTelemetry({ otlp }: MetricsConfig, parts: SecurityParts): Promise<Telemetry> {
  const { endpoint: text, headersFile, intervalMs = OTLP_INTERVAL_MS } = otlp;
  if (text === undefined) return NOTHING;
  const tls = await openTls(otlp, parts);
  const headers =
    headersFile === undefined
      ? () => ({})
      : await followSecret(headersFile, 'the headers of exports', parseHeaderLines, parts);
  const url = new URL(text);
  const endpoint = toEndpoint(url, tls);
  if (url.pathname === '/') url.pathname = METRICS_PATH;
  const path = `${url.pathname}${url.search}`;
  return {
    tls: tls === undefined ? [] : [tls],
    start: (kind, address) => {
      const { metrics, clock, random, logger, closers } = parts;
      const exporter = new OtlpExporter({
        ...{ metrics, clock, random, logger, headers, intervalMs },
        endpoint: withoutQuery(url),
        post: createPost(endpoint, path),
        resource: {
          'service.name': 'walnut',
          'service.version': packageVersion(),
          // A process that listens on all addresses announces its port alone.
          'service.instance.id': address.startsWith(':') ? `${hostname()}${address}` : address,
          'walnut.kind': kind,
        },
        startMs: Math.round(clock.wallMs() - process.uptime() * 1_000),
      });
      closers.push('export of metrics', () => exporter.close());
    },
  };
}

async function openTls({ ca, cert, key }: OtlpConfig, parts: SecurityParts): Promise<TlsFiles | undefined> {
  const hasFiles = ca !== undefined || cert !== undefined;
  return hasFiles ? openFiles('metrics.otlp', { ca, cert, key }, parts) : undefined;
}

function toEndpoint({ protocol, hostname, port, host }: URL, tls: TlsFiles | undefined): Endpoint {
  const isTls = protocol === 'https:';
  return {
    text: host,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (isTls ? 443 : 80),
    tls: isTls ? dialerOf(tls) : undefined,
  };
}

const NO_FILES = { ca: undefined, cert: undefined, key: undefined };

function dialerOf(tls: TlsFiles | undefined): TlsDialer {
  const material = tls === undefined ? () => NO_FILES : () => tls.current.parts;
  return createTlsDialer({ material, serverName: undefined });
}
