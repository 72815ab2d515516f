/** Writes of a Batch that has one name, as doubles carry them out: each under a name of its own. */
import type { WriteOperation } from '#model/commands.ts';
import type { WriteId } from '#model/write-id.ts';

export function namedApart(writes: readonly WriteOperation[], id: WriteId): WriteOperation[] {
  return writes.map((write, index) => {
    const name = id.name.kind === 'client' ? { ...id.name, index } : id.name;
    return { ...write, command: { ...write.command, id: { ...id, name } } } as WriteOperation;
  });
}
