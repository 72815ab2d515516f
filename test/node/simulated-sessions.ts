/**
 * Sixteen clients of a simulated group, each going from node to node: they
 * write counters to keys of their own, on whatever master takes them, and read
 * everybody's. Every key has one writer and only rises, so what a client has
 * written or seen it must never see below that again.
 *
 * With tokens each read asks for the state that the client saw last, and an
 * answer that this history is discarded begins a new session, which may expect
 * nothing. Without them nothing is asked for: then the same check must find
 * violations, or it would find none with them either.
 */
import { WalnutError } from '#model/errors.ts';
import { type Position, termOf } from '#model/position.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import { setCommand } from '#test/doubles/test-group.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { callMember } from '#test/node/simulated-calls.ts';
import type { Member } from '#test/node/simulated-members.ts';

const CLIENTS = 16;
const WAIT_MS_MAX = 400;

interface Client {
  readonly key: string;
  /** The position of the newest state that this session has seen. */
  token: Position | undefined;
  /** What the key was set to last, whether that was answered or not. */
  counter: number;
  /** By key: the highest counter that this session has seen or was told to be written. */
  readonly known: Map<string, number>;
  isBusy: boolean;
}

export class Sessions {
  readonly violations: string[] = [];
  readonly counts = { reads: 0, writes: 0, unavailable: 0, discarded: 0 };
  readonly #random: SeededRandom;
  readonly #clock: VirtualClock;
  readonly #usesTokens: boolean;
  readonly #clients: readonly Client[];

  constructor(random: SeededRandom, clock: VirtualClock, usesTokens: boolean) {
    this.#random = random;
    this.#clock = clock;
    this.#usesTokens = usesTokens;
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => ({
      key: `session${i}`,
      token: undefined,
      counter: 0,
      known: new Map(),
      isBusy: false,
    }));
  }

  /** Some clients do one thing each, unawaited. */
  step(members: readonly Member[]): void {
    for (const client of this.#clients) {
      if (client.isBusy || this.#random.chance(0.4)) continue;
      const member = this.#random.pick(members);
      if (member.running === undefined || member.isPaused) continue;
      client.isBusy = true;
      const isWrite = member.running.node.status().role === 'master' && this.#random.chance(0.4);
      const call = isWrite ? this.#write(client, member) : this.#read(client, member);
      void call.finally(() => {
        client.isBusy = false;
      });
    }
  }

  async #write(client: Client, member: Member): Promise<void> {
    const value = ++client.counter;
    const answer = await this.#call(client, member, (node) => node.set(setCommand(client.key, `${value}`)));
    if (answer === undefined) return;
    // A master whose term is behind what the client has seen was replaced: what it takes is no part of that history.
    if (client.token !== undefined && termOf(answer.position.epoch) < termOf(client.token.epoch)) return;
    if (this.#usesTokens && client.token?.epoch !== answer.position.epoch)
      await this.#compare(client, member);
    client.token = answer.position;
    client.known.set(client.key, value);
    this.counts.writes++;
  }

  /** A write carries no token: whether its history has what the client saw before must be asked. */
  async #compare(client: Client, member: Member): Promise<void> {
    const { key, token: atLeast } = client;
    if (atLeast !== undefined)
      await this.#call(client, member, async (node) => node.get({ key, waitMs: 0, atLeast }));
  }

  async #read(client: Client, member: Member): Promise<void> {
    const { key } = this.#random.chance(0.4) ? client : this.#random.pick(this.#clients);
    const waitMs = this.#random.below(WAIT_MS_MAX);
    const atLeast = this.#usesTokens ? client.token : undefined;
    const answer = await this.#call(client, member, async (node) => node.get({ key, waitMs, atLeast }));
    if (answer === undefined) return;
    const found = answer.entry === undefined ? 0 : Number(Buffer.from(answer.entry.value).toString());
    const known = client.known.get(key) ?? 0;
    if (found < known) {
      const at = `${answer.asOf.epoch}-${answer.asOf.lsn}`;
      this.violations.push(
        `${client.key} knew ${key} = ${known} and read ${found} on ${member.name} at ${at}`,
      );
    }
    client.known.set(key, Math.max(found, known));
    client.token = answer.asOf;
    this.counts.reads++;
  }

  /** Undefined: no answer, or a refusal; then nothing is known of what was done. */
  async #call<T>(
    client: Client,
    member: Member,
    ask: (node: NonNullable<Member['running']>['node']) => Promise<T>,
  ): Promise<T | undefined> {
    const answer = await callMember(this.#clock, member, ask);
    if (!(answer instanceof WalnutError)) return answer;
    if (answer.code === 'discarded_history') {
      this.counts.discarded++;
      client.token = undefined;
      client.known.clear();
    } else this.counts.unavailable++;
    return undefined;
  }
}
