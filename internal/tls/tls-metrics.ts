/** The metrics of certificates, for every side of TLS that a process has. */
import type { Metrics, Sample } from '#platform/metrics.ts';
import type { TlsFiles } from '#tls/tls-files.ts';

/** Once for each process. */
export function registerTlsMetrics(metrics: Metrics, all: readonly TlsFiles[]): void {
  const sample = (files: TlsFiles, value: number): Sample<'section'> => ({
    labels: { section: files.section },
    value,
  });
  metrics.gaugeFamilyFrom(
    'walnut_tls_ok',
    '1 unless the certificates and keys of the section were last found unusable.',
    ['section'],
    () => all.map((files) => sample(files, files.isGood ? 1 : 0)),
  );
  metrics.gaugeFamilyFrom(
    'walnut_tls_certificate_expiry_seconds',
    'Seconds until the certificate of the section expires.',
    ['section'],
    () => all.flatMap((files) => (files.expiryS === undefined ? [] : sample(files, files.expiryS))),
  );
}
