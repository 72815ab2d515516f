/** `metrics`: where a process sends its metrics, besides answering them at `/metrics`. */
import { absolute, optionalDuration, optionalFile, optionalUrl, printedUrl } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatDuration } from '#platform/duration.ts';

export interface OtlpConfig {
  /** The collector; undefined: nothing is sent. */
  readonly endpoint: string | undefined;
  /** Undefined: `OTLP_INTERVAL_MS`. */
  readonly intervalMs: number | undefined;
  /** The file with headers of each export, such as a credential. Paths are absolute where the working directory was given. */
  readonly headersFile: string | undefined;
  /** The file with the authorities that sign the certificate of the collector; undefined: those that Node brings along. */
  readonly ca: string | undefined;
  /** What this process shows to the collector. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface MetricsConfig {
  readonly otlp: OtlpConfig;
}

export const OTLP_INTERVAL_MS = 15_000;
const INTERVAL = { min: 1_000, max: 3_600_000 };

export const METRICS = defineSection({
  keys: () => ({
    'otlp.endpoint': optionalUrl(
      'the URL of a collector such as "https://collector.example:4318" or "http://127.0.0.1:9090/api/v1/otlp/v1/metrics"',
    ),
    'otlp.interval': optionalDuration(INTERVAL),
    'otlp.headers_file': optionalFile(),
    'otlp.ca': optionalFile(),
    'otlp.cert': optionalFile(),
    'otlp.key': optionalFile(),
  }),
  read: (values, { cwd }): MetricsConfig => ({
    otlp: {
      endpoint: values['otlp.endpoint'],
      intervalMs: values['otlp.interval'],
      headersFile: absolute(values['otlp.headers_file'], cwd),
      ca: absolute(values['otlp.ca'], cwd),
      cert: absolute(values['otlp.cert'], cwd),
      key: absolute(values['otlp.key'], cwd),
    },
  }),
  hidden: ({ otlp }) => ({ 'otlp.endpoint': otlp.endpoint }),
  print: ({ otlp: { endpoint, intervalMs, headersFile, ca, cert, key } }) => {
    const values = {
      'otlp.endpoint': endpoint === undefined ? undefined : printedUrl(endpoint),
      'otlp.interval': intervalMs === undefined ? undefined : formatDuration(intervalMs),
      'otlp.headers_file': headersFile,
      'otlp.ca': ca,
      'otlp.cert': cert,
      'otlp.key': key,
    };
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  },
});
