/** What is in a file, before anything of it is written. */
import { CliError, EXIT } from '../cli-error.ts';
import { countOf, showCount } from '../output/output.ts';
import type { SourceItem } from './source-entries.ts';

export interface Survey {
  readonly keys: number;
  /** Keys by database. */
  readonly databases: Readonly<Record<string, number>>;
  readonly importable: number;
  readonly withDeadline: number;
  /** What cannot be imported: how many, by reason. */
  readonly left: Readonly<Record<string, number>>;
}

/** Rejects where it is interrupted, which may come before a long file is read. */
export async function surveyItems(
  items: AsyncIterable<SourceItem>,
  interrupted: AbortSignal,
): Promise<Survey> {
  const databases: Record<string, number> = {};
  const left: Record<string, number> = {};
  let [keys, importable, withDeadline] = [0, 0, 0];
  for await (const item of items) {
    if (interrupted.aborted)
      throw new CliError(EXIT.interrupted, `interrupted: of ${countOf(keys, 'key')} nothing was written`);
    keys++;
    databases[item.database] = (databases[item.database] ?? 0) + 1;
    if ('why' in item) left[item.why] = (left[item.why] ?? 0) + 1;
    else {
      importable++;
      if (item.entry.expireAtMs !== 0) withDeadline++;
    }
  }
  return { keys, databases, importable, withDeadline, left };
}

export function renderSurvey({ keys, databases, importable, withDeadline, left }: Survey): string {
  const places = Object.entries(databases).map(([name, count]) => `${showCount(count)} in database ${name}`);
  const lines = [
    `${countOf(keys, 'key')}${places.length > 1 ? `: ${places.join(', ')}` : ''}`,
    `${showCount(importable)} can be imported, ${showCount(withDeadline)} of them with a deadline`,
    ...Object.entries(left).map(([why, count]) => `${showCount(count)} cannot: ${why}`),
  ];
  return `${lines.join('\n')}\n`;
}
