/** Evaluates the condition of a write. Pure. */
import type { Condition } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { isSamePosition } from '#model/position.ts';

/** `live`: the entry as callers see it. */
export function isMet(condition: Condition, live: Entry | undefined): boolean {
  switch (condition.kind) {
    case 'absent':
      return live === undefined;
    case 'present':
      return live !== undefined;
    case 'version':
      return live !== undefined && isSamePosition(live.version, condition.version);
  }
}
