/**
 * A file that lines are appended to and that may fail without harm to the work: a line
 * that cannot be written is dropped and counted (`line-output.ts`). A file that was cut to
 * nothing, as log rotation does with `copytruncate`, goes on from its beginning.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '#platform/clock.ts';
import { type Gap, LineOutput } from '#platform/line-output.ts';

export interface LineFile {
  readonly droppedLines: number;
  /** One JSON object on a line of its own. */
  write(fields: Readonly<Record<string, unknown>>): void;
  close(): void;
}

/** Opens the file for appending, or makes it with mode 0600. Throws the system's error. */
export function openLineFile(path: string, clock: Clock): LineFile {
  const file = openSync(path, 'a', 0o600);
  const output = new LineOutput({
    tryWrite: (bytes) => writeSync(file, bytes),
    clock,
    describeGap: ({ lines, code }: Gap) => `${JSON.stringify({ missingLines: lines, code })}\n`,
  });
  return {
    get droppedLines() {
      return output.droppedLines;
    },
    write: (fields) => output.write(`${JSON.stringify(fields)}\n`),
    close: () => {
      output.flush();
      closeSync(file);
    },
  };
}
