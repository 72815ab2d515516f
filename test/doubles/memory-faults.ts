/** The calls of a memory file system, and which of them a test makes fail. */
import { systemError } from '#test/doubles/memory-inode.ts';

/** The calls that change the disk, and that are counted, failed and crashed. */
export type MutatingCall =
  | 'create'
  | 'write'
  | 'datasync'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'makeDirectory';

export type AnyCall = MutatingCall | 'open' | 'openDirectory' | 'read' | 'stat' | 'readDirectory' | 'lock';

const READING: readonly AnyCall[] = ['open', 'openDirectory', 'read', 'stat', 'readDirectory', 'lock'];

export function isMutating(call: AnyCall): boolean {
  return !READING.includes(call);
}

/** `skip`: how many matching calls go well first; `times`: how many then fail (default: all of them). */
export interface FaultRule {
  readonly call: AnyCall;
  readonly code: string;
  readonly path?: RegExp;
  readonly skip?: number;
  readonly times?: number;
}

interface ActiveFault {
  readonly rule: FaultRule;
  skip: number;
  times: number;
}

export class MemoryFaults {
  #active: ActiveFault[] = [];

  add(rule: FaultRule): void {
    this.#active.push({ rule, skip: rule.skip ?? 0, times: rule.times ?? Infinity });
  }

  clear(): void {
    this.#active = [];
  }

  /** Counts this call against each matching rule. Throws the error of the first rule that is due. */
  check(call: AnyCall, path: string): void {
    for (const fault of this.#active) {
      if (fault.rule.call !== call || fault.rule.path?.test(path) === false) continue;
      if (fault.skip-- > 0) continue;
      if (fault.times-- <= 0) continue;
      throw systemError(fault.rule.code, call, path);
    }
  }
}
