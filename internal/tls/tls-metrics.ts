/** The metrics of certificates, for every side of TLS that a process has. */
import type { Metrics, Sample } from '#platform/metrics.ts';
import type { TlsFiles } from '#tls/tls-files.ts';

/** Once for each process. */
export function registerTlsMetrics(metrics: Metrics, all: readonly TlsFiles[]): void {
  metrics.gaugeFamilyFrom(
    'walnut_tls_ok',
    '1 unless the certificates and keys of the section were last found unusable.',
    ['section'],
    () => all.map(({ section, isGood }) => ({ labels: { section }, value: isGood ? 1 : 0 })),
  );
  metrics.gaugeFamilyFrom(
    'walnut_tls_certificate_expiry_seconds',
    'Seconds until the own certificate of the section expires, and until the first of its authorities does.',
    ['section', 'certificate'],
    () => all.flatMap(expiriesOf),
  );
}

function expiriesOf({ section, expiryS }: TlsFiles): readonly Sample<'section' | 'certificate'>[] {
  return Object.entries(expiryS).flatMap(([certificate, value]: [string, number | undefined]) =>
    value === undefined ? [] : { labels: { section, certificate }, value },
  );
}
