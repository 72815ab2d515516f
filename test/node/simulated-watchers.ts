/**
 * Watchers of a simulated group: each watches some node, is broken off by faults and
 * at random, and goes on at any other node from where it was. What a watcher has been
 * told from its start to the last position that it could go on from must be exactly
 * what the log has there, whichever history that is.
 */
import { WalnutError } from '#model/errors.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { WatchCommand, WatchEvent, WatchMessage } from '#model/watch.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { type KnownHistory, type KnownRecord, recordIn } from '#test/node/simulated-history.ts';
import type { Member } from '#test/node/simulated-members.ts';
import { EVERYTHING } from '#test/watch/following.ts';

const WATCHERS = 8;

/** One watch from its start to where it can go on from, over as many calls as it took. */
interface Lineage {
  readonly prefix: string;
  readonly start: Position;
  at: Position;
  readonly told: string[];
}

interface Call {
  readonly member: Member;
  readonly running: Member['running'];
  readonly aborter: AbortController;
}

interface Client {
  readonly prefix: string;
  lineage: Lineage | undefined;
  call: Call | undefined;
}

export class Watchers {
  readonly counts = { events: 0, resumed: 0, broken: 0, discarded: 0, outOfRange: 0, checked: 0, unknown: 0 };
  readonly #random: SeededRandom;
  readonly #lineages: Lineage[] = [];
  readonly #clients: readonly Client[];
  #failure: Error | undefined;

  constructor(random: SeededRandom, _clock: VirtualClock) {
    this.#random = random;
    const prefixes = ['', 'k', 'k1', 'k2', 'k3', 'last', '', 'k'];
    this.#clients = Array.from({ length: WATCHERS }, (_, i) => ({
      prefix: prefixes[i] as string,
      lineage: undefined,
      call: undefined,
    }));
  }

  step(members: readonly Member[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const client of this.#clients) {
      const { call } = client;
      if (call === undefined) {
        this.#begin(client, this.#random.pick(members));
      } else if (isLost(call) || this.#random.chance(0.08)) {
        // What a process that died or stands still would have sent never arrives.
        this.counts.broken++;
        client.call = undefined;
        call.aborter.abort();
      }
    }
  }

  /** The faults are over, and the oracle knows every record. */
  judge(history: KnownHistory): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const lineage of this.#lineages) this.#check(lineage, history);
  }

  #begin(client: Client, member: Member): void {
    const { running } = member;
    if (running === undefined || member.isPaused) return;
    const call = { member, running, aborter: new AbortController() };
    client.call = call;
    const after = client.lineage?.at;
    if (after !== undefined) this.counts.resumed++;
    const target = { kind: 'prefix', prefix: client.prefix } as const;
    const command = { ...EVERYTHING, target, after, progressEveryMs: 100 };
    void this.#read(client, call, running.node.watch(command as WatchCommand, call.aborter.signal));
  }

  async #read(client: Client, call: Call, messages: AsyncIterable<WatchMessage>): Promise<void> {
    let fragments: WatchEvent[] = [];
    try {
      for await (const message of messages) {
        if (client.call !== call || isLost(call)) break;
        fragments = fragments.concat(message.events);
        if (!message.canResume) continue;
        this.#take(client, message, fragments);
        fragments = [];
      }
    } catch (error) {
      if (client.call === call && !isLost(call)) this.#end(client, error);
    }
    if (client.call === call) client.call = undefined;
  }

  #take(client: Client, { position }: WatchMessage, events: readonly WatchEvent[]): void {
    client.lineage ??= this.#open(client, position);
    const { lineage } = client;
    if (position.lsn < lineage.at.lsn) {
      this.#failure ??= new Error(`a watch went from ${lineage.at.lsn} back to ${position.lsn}`);
    }
    lineage.told.push(...events.map(describe));
    lineage.at = position;
    this.counts.events += events.length;
  }

  #open({ prefix }: Client, start: Position): Lineage {
    const lineage = { prefix, start, at: start, told: [] };
    this.#lineages.push(lineage);
    return lineage;
  }

  #end(client: Client, error: unknown): void {
    if (!(error instanceof WalnutError)) {
      this.#failure ??= error as Error;
      return;
    }
    switch (error.code) {
      case 'discarded_history':
        this.counts.discarded++;
        client.lineage = undefined;
        return;
      case 'out_of_range':
        this.counts.outOfRange++;
        client.lineage = undefined;
        return;
      case 'unavailable':
      case 'cancelled':
        return;
      default:
        this.#failure ??= error;
    }
  }

  #check(lineage: Lineage, history: KnownHistory): void {
    const ends = history.at(lineage.at);
    // A master's last records before it died, which it had told its watcher alone.
    if (ends.length === 0 && lineage.at.lsn > 0) {
      this.counts.unknown++;
      return;
    }
    const expected = ends.flatMap((end) => expectedOf(lineage, end));
    const told = JSON.stringify(lineage.told);
    if (expected.some((one) => JSON.stringify(one) === told)) {
      this.counts.checked++;
      return;
    }
    const where = `from ${formatPosition(lineage.start)} to ${formatPosition(lineage.at)}`;
    throw new Error(
      `a watcher of ${JSON.stringify(lineage.prefix)} ${where} was told ${told}, the log has ${JSON.stringify(expected)}`,
    );
  }
}

function isLost({ member, running }: Call): boolean {
  return member.running !== running || member.isPaused;
}

/** What the log says after the start, in the history that ends there; none where the start is no part of it. */
function expectedOf({ prefix, start }: Lineage, end: KnownRecord): string[][] {
  if (start.lsn > 0 && recordIn(end, start) === undefined) return [];
  const records: KnownRecord[] = [];
  for (
    let one: KnownRecord | undefined = end;
    one !== undefined && one.position.lsn > start.lsn;
    one = one.parent
  ) {
    records.push(one);
  }
  const events = records
    .reverse()
    .flatMap(({ mutations, position }) => mutations.map((mutation) => ({ ...mutation, version: position })));
  return [events.filter(({ key }) => key.startsWith(prefix)).map(describe)];
}

function describe(
  change: Pick<WatchEvent, 'op' | 'cause' | 'key' | 'version'> & { value?: Uint8Array },
): string {
  const { op, cause, key, version } = change;
  const value = change.op === 'set' && change.value !== undefined ? change.value.length : 0;
  return `${formatPosition(version)} ${op} ${cause} ${key} ${value}`;
}
