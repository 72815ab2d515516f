/** What keys of `metrics.otlp` need of each other. Pure. */
import type { CrossProblem } from '#config/check-security.ts';
import type { OtlpConfig } from '#config/sections/metrics.ts';
import { isLoopbackHost } from '#model/address.ts';

/** `mayBeClear`: `auth.allow_clear_text`. */
export function checkMetrics({ otlp }: { readonly otlp: OtlpConfig }, mayBeClear: boolean): CrossProblem[] {
  const { endpoint, intervalMs, headersFile, ca, cert, key } = otlp;
  const files = { ca, cert, key };
  const beside = { interval: intervalMs, headers_file: headersFile, ...files };
  if (endpoint === undefined)
    return given(beside).map((name) => problem(name, 'expected metrics.otlp.endpoint beside it'));
  const { protocol, host } = new URL(endpoint);
  if (protocol === 'https:') return checkPair(otlp);
  const foreign = given(files).map((name) =>
    problem(name, 'expected https in metrics.otlp.endpoint beside it'),
  );
  if (foreign.length > 0 || headersFile === undefined || mayBeClear || isLoopbackHost(host)) return foreign;
  const message = `expected https: metrics.otlp.headers_file would go to ${host} in clear text; where that network is private, say auth.allow_clear_text: true`;
  return [problem('endpoint', message)];
}

function checkPair({ cert, key }: OtlpConfig): CrossProblem[] {
  if ((cert === undefined) === (key === undefined)) return [];
  const [missing, there] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
  return [problem(missing, `missing: expected a file in PEM, as metrics.otlp.${there} is there`)];
}

function given(values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(values).filter((name) => values[name] !== undefined);
}

function problem(name: string, message: string): CrossProblem {
  return { section: 'metrics', key: `otlp.${name}`, message };
}
