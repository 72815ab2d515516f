/** Scan for a caller that may read some prefixes: entries of other keys are not there. Pure. */
import { covers, within } from '#auth/prefixes.ts';
import type { ScanAnswer, ScanCommand } from '#model/commands.ts';
import type { KeyValuePort } from '#model/ports.ts';

/** `readable`: prefixes, as few as possible. */
export function readableScan(
  port: KeyValuePort,
  command: ScanCommand,
  readable: readonly string[],
): ScanAnswer {
  const asked = within(readable, command.prefix);
  const [only] = asked;
  if (asked.length === 1 && only !== undefined) return port.scan({ ...command, prefix: only });
  if (asked.length === 0) return nothingOf(port, command);
  // A count of the whole would tell what may not be read, so keys are counted here.
  const { countOnly, ...rest } = command;
  const answer = port.scan(countOnly === true ? { ...rest, keysOnly: true } : command);
  const entries = answer.entries.filter(({ key }) => covers(readable, key));
  return countOnly === true ? { ...answer, entries: [], count: entries.length } : { ...answer, entries };
}

/** Asked all the same, so that a bad cursor, and a node that cannot be read, answer what they always do. */
function nothingOf(port: KeyValuePort, command: ScanCommand): ScanAnswer {
  const { countOnly, ...rest } = command;
  const answer = port.scan({ ...rest, limit: 1, keysOnly: true });
  return { ...answer, entries: [], nextCursor: '', ...(countOnly === true ? { count: 0 } : {}) };
}
