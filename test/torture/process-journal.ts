/**
 * The memory of what a master acknowledged, kept in another process than the
 * one that is killed. Every write of a key carries a number that only rises;
 * after a crash the value must be the last acknowledged number, or one of those
 * asked for since and never answered. What is then found is the new truth.
 */
import type { NodeProcess } from './node-process.ts';

interface Known {
  /** 0: missing. */
  acked: number;
  /** Asked for after `acked`, with no answer; negative numbers are deletes. */
  unknown: number[];
}

export interface JournalWrite {
  readonly key: string;
  /** Above every number before; negative: a delete. */
  readonly number: number;
}

export class ProcessJournal {
  acked = 0;
  /** How many acknowledged writes were requests of their own. */
  ackedSingly = 0;
  verifications = 0;
  readonly #keys = new Map<string, Known>();
  #number = 0;

  /** One that knows the same and goes on by itself. */
  copy(): ProcessJournal {
    const copy = new ProcessJournal();
    for (const [key, { acked, unknown }] of this.#keys) copy.#keys.set(key, { acked, unknown: [...unknown] });
    copy.#number = this.#number;
    return copy;
  }

  /** The next write of `key`. Writes of one key must not overlap. */
  plan(key: string, isDelete: boolean): JournalWrite {
    const number = ++this.#number;
    const known = this.#keys.get(key) ?? { acked: 0, unknown: [] };
    known.unknown.push(isDelete ? -number : number);
    this.#keys.set(key, known);
    return { key, number: isDelete ? -number : number };
  }

  ack({ key, number }: JournalWrite): void {
    const known = this.#keys.get(key);
    if (known === undefined) throw new Error(`${key} was never planned`);
    known.acked = number < 0 ? 0 : number;
    known.unknown = [];
    this.acked++;
  }

  /** Refused by the server, which said that nothing was written. */
  refuse({ key, number }: JournalWrite): void {
    const known = this.#keys.get(key);
    if (known !== undefined) known.unknown = known.unknown.filter((each) => each !== number);
  }

  /** Compares every key with what the master has. Throws on anything lost, undone or made up. */
  async verify(master: NodeProcess): Promise<void> {
    const found = await readAll(master);
    for (const [key, known] of this.#keys) {
      const number = found.get(key) ?? 0;
      const possible = [known.acked, ...known.unknown.map((each) => Math.max(each, 0))];
      if (!possible.includes(number)) {
        throw new Error(
          `${key} is ${number}: acknowledged was ${known.acked}, unknown are [${known.unknown.join(', ')}]`,
        );
      }
      known.acked = number;
      known.unknown = [];
      found.delete(key);
    }
    if (found.size > 0) throw new Error(`${[...found.keys()].slice(0, 3).join(', ')} were never written`);
    this.verifications++;
  }
}

/** The value that says `number`: padded, so that logs grow. */
function numberValue(number: number, paddingBytes = 60): string {
  return Buffer.from(`${number}:`.padEnd(paddingBytes, '.')).toString('base64');
}

async function readAll(master: NodeProcess): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let cursor = '';
  do {
    const { status, body } = await master.call('KVStore/Scan', { cursor, limit: 1_000 });
    if (status !== 200) throw new Error(`Scan answered ${status}: ${JSON.stringify(body)}`);
    for (const entry of body.entries ?? []) {
      found.set(entry.key, Number.parseInt(Buffer.from(entry.value ?? '', 'base64').toString(), 10));
    }
    cursor = body.nextCursor ?? '';
  } while (cursor !== '');
  return found;
}

/** One Set or Delete of its own. True where it was acknowledged; a refusal is noted, no answer leaves it unknown. */
export async function writeOne(
  master: NodeProcess,
  journal: ProcessJournal,
  write: JournalWrite,
): Promise<boolean> {
  const { key, number } = write;
  const call =
    number < 0
      ? master.call('KVStore/Delete', { key })
      : master.call('KVStore/Set', { key, value: numberValue(number) });
  const answer = await call.catch(() => undefined);
  if (answer === undefined) return false;
  if (answer.status !== 200) {
    // Only a full disk promises that nothing was written; a failed one does not know.
    if (answer.body.code === 'resource_exhausted') journal.refuse(write);
    return false;
  }
  journal.ack(write);
  journal.ackedSingly++;
  return true;
}

/** Many writes in one Batch, and so in one record. */
export async function writeBatch(
  master: NodeProcess,
  journal: ProcessJournal,
  writes: readonly JournalWrite[],
): Promise<boolean> {
  const operations = writes.map(({ key, number }) =>
    number < 0 ? { delete: { key } } : { set: { key, value: numberValue(number) } },
  );
  const answer = await master.call('KVStore/Batch', { operations }).catch(() => undefined);
  if (answer?.status !== 200) return false;
  const results: { error?: unknown }[] = answer.body.results ?? [];
  if (results.length !== writes.length)
    throw new Error(`${results.length} results for ${writes.length} operations`);
  for (const [i, result] of results.entries()) {
    if (result.error === undefined) journal.ack(writes[i] as JournalWrite);
  }
  return true;
}
