/** The alert rules under `deploy/`, for tests that compare the page with them. */
import { parse } from 'yaml';
import { readText } from '#test/house/source-files.ts';

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export const ALERTS: readonly AlertRule[] = (
  parse(readText('deploy/prometheus/alerts.yaml')) as { groups: { rules: AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules);
