/**
 * Clients of a simulated group that give up no write: each adds to a number of its own
 * and sends the same Increment again, to whatever master takes it, until it has an
 * answer; now and then it sends one again that was answered. The nth Increment adds
 * 4^n, so that the number shows in base 4 how often each was carried out.
 */
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { callMember } from '#test/node/simulated-calls.ts';
import type { Member } from '#test/node/simulated-members.ts';

const CLIENTS = 6;
/** 4^30 is the last that fits. */
const INCREMENTS_MAX = 30;

interface Client {
  readonly key: string;
  readonly clientId: bigint;
  /** True: it uses request ids instead. */
  readonly usesText: boolean;
  sequence: number;
  answered: number;
  since: Position | undefined;
  isBusy: boolean;
}

export class Repeaters {
  readonly violations: string[] = [];
  readonly counts = { answered: 0, repeated: 0, again: 0, aborted: 0, unavailable: 0 };
  readonly #random: SeededRandom;
  readonly #clock: VirtualClock;
  readonly #clients: Client[];
  #created = 0;

  constructor(random: SeededRandom, clock: VirtualClock) {
    this.#random = random;
    this.#clock = clock;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#createClient());
  }

  #createClient(): Client {
    const number = ++this.#created;
    const usesText = this.#random.chance(0.3);
    const given = { usesText, sequence: 1, answered: 0, since: undefined, isBusy: false };
    return { key: `adder${number}`, clientId: 2n ** 63n + BigInt(number), ...given };
  }

  step(members: readonly Member[]): void {
    for (const [i, client] of this.#clients.entries()) {
      if (client.isBusy || this.#random.chance(0.3)) continue;
      const member = this.#random.pick(members);
      if (member.running?.node.status().role !== 'master' || member.isPaused) continue;
      client.isBusy = true;
      void this.#add(client, member).finally(() => {
        client.isBusy = false;
        if (client.sequence > INCREMENTS_MAX) this.#clients[i] = this.#createClient();
      });
    }
  }

  async #add(client: Client, member: Member): Promise<void> {
    const isAgain = client.answered > 0 && this.#random.chance(0.3);
    const sequence = isAgain ? client.answered : client.sequence;
    const delta = 4n ** BigInt(sequence);
    const command = {
      key: client.key,
      delta,
      initial: 0n,
      expiry: { kind: 'default' },
      returnPrevious: false,
    } as const;
    const id = this.#idOf(client, sequence);
    const answer = await this.#call(client, member, (node) =>
      node.increment({ ...command, minAcks: 0, timeoutMs: 0, id }),
    );
    if (answer === undefined) return;
    this.#check(client, answer.value, sequence, member.name);
    if (answer.isRepeat === true) this.counts.repeated++;
    if (isAgain) {
      this.counts.again++;
      return;
    }
    this.counts.answered++;
    client.since = answer.position;
    client.answered = sequence;
    client.sequence++;
  }

  #idOf({ key, clientId, usesText, answered, since }: Client, sequence: number): WriteId {
    if (usesText) return { name: { kind: 'request', requestId: `${key} ${sequence}` } };
    const answeredThrough = Math.min(answered, sequence - 1);
    const name = { kind: 'client', clientId, sequence, index: 0, answeredThrough } as const;
    return this.#random.chance(0.2) ? { name, since } : { name };
  }

  /** Throws nothing: what is wrong is kept. */
  #check({ key }: Client, value: bigint, sequence: number, where: string): void {
    const digits = value.toString(4).split('').reverse();
    const isOwnMissing = digits[sequence] === undefined || digits[sequence] === '0';
    if (isOwnMissing || digits.some((digit) => digit > '1'))
      this.violations.push(`${key} is ${digits.reverse().join('')} (base 4) after ${sequence} on ${where}`);
  }

  /** Undefined: no answer, or a refusal. */
  async #call<T>(
    client: Client,
    member: Member,
    ask: (node: NonNullable<Member['running']>['node']) => Promise<T>,
  ): Promise<T | undefined> {
    const answer = await callMember(this.#clock, member, ask);
    if (!(answer instanceof WalnutError)) return answer;
    if (answer.code === 'aborted') {
      this.counts.aborted++;
      // It may say what it likes of the past now, but must not be carried out.
      client.since = undefined;
    } else this.counts.unavailable++;
    return undefined;
  }
}
