/**
 * The history of a simulated group as registers: what its masters took and answered, as
 * `violationsOf` checks it. Every write goes to one of a few registers by its number.
 */
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { type Operation, type Value, violationsOf } from '#test/torture/linearizable.ts';
import { versionOf } from '#test/torture/version-of.ts';
import type { SimulatedMember } from './simulated-member.ts';

/** So many that few operations of a register are open at once. */
const REGISTERS = 16;

export class SimulatedHistory {
  readonly #clock: VirtualClock;
  readonly #operations: Operation[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** How many reads were answered. */
  get reads(): number {
    return this.#operations.filter(({ act }) => act.kind === 'read').length;
  }

  /** False where the member takes no write. */
  write(member: SimulatedMember, write: number, onAcked: () => void): boolean {
    const startMs = this.#clock.monotonicMs();
    const key = `r${write % REGISTERS}`;
    const act = { kind: 'write', value: nameOf(write, member.epoch) } as const;
    const index = this.#operations.length;
    this.#operations.push({ key, act, startMs, endMs: undefined, version: undefined });
    const isTaken = member.write(write, (position) => {
      const endMs = this.#clock.monotonicMs();
      this.#operations[index] = {
        key,
        act,
        startMs,
        endMs,
        version: versionOf(position.epoch, position.lsn),
      };
      onAcked();
    });
    if (!isTaken) this.#operations.pop();
    return isTaken;
  }

  /** A linearizable read of the register after the one that `write` goes to. */
  read(member: SimulatedMember, write: number): void {
    const startMs = this.#clock.monotonicMs();
    const register = (write + 1) % REGISTERS;
    member.read(
      (each) => each % REGISTERS === register,
      (found) => {
        const value: Value = found && nameOf(found.write, found.version.epoch);
        const version = found && versionOf(found.version.epoch, found.version.lsn);
        const endMs = this.#clock.monotonicMs();
        this.#operations.push({ key: `r${register}`, act: { kind: 'read', value }, startMs, endMs, version });
      },
    );
  }

  /** See `violationsOf`. */
  violations(): string[] {
    return violationsOf(this.#operations);
  }
}

/** Two masters that take one write made two values. */
function nameOf(write: number, epoch: number): string {
  return `${write} in ${epoch}`;
}
