/**
 * Watch for a caller that may read some prefixes: changes of other keys are not told, and
 * a message that has no other is not sent. `previous` needs the right to write, too.
 */
import { covers, within } from '#auth/prefixes.ts';
import type { KeyRights } from '#model/access.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { type WatchCommand, type WatchMessage, withoutPrevious } from '#model/watch.ts';

export async function* readableWatch(
  port: KeyValuePort,
  command: WatchCommand,
  signal: AbortSignal,
  { read, write }: KeyRights,
): AsyncGenerator<WatchMessage> {
  // A record of which a part was told must be ended by a message, if only an empty one.
  let isInRecord = false;
  for await (const message of port.watch(narrowed(command, read), signal)) {
    const events = message.events.filter(({ key }) => covers(read, key));
    const isEmptied = events.length === 0 && message.events.length > 0;
    const isOwed = message.isInitialDone || (isInRecord && !message.isFragment);
    if (isEmptied && !isOwed) continue;
    isInRecord = message.isFragment;
    const shown = command.withPrevious
      ? events.map((each) => (covers(write, each.key) ? each : withoutPrevious(each)))
      : events;
    yield { ...message, events: shown };
  }
}

/** Watches one prefix where that is all that may be read of what was asked for. */
function narrowed(command: WatchCommand, read: readonly string[]): WatchCommand {
  if (command.target.kind === 'key') return command;
  const asked = within(read, command.target.prefix);
  const [only] = asked;
  return asked.length === 1 && only !== undefined
    ? { ...command, target: { kind: 'prefix', prefix: only } }
    : command;
}
