/**
 * A node of a cluster names its group in each position of its answers, and has these positions in
 * `x-walnut-positions`. One of a plain group does neither.
 */
import type { ReadMoment } from '#model/bulk.ts';
import type { BatchResult, GetAnswer, WriteAnswer } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import { type Seen, seenAfter } from '#model/seen.ts';
import { mapPosition } from '#model/told-position.ts';
import type { FoundAt } from '#wire/call-form.ts';
import { formatPositions } from '#wire/call-headers.ts';

/** The caller that an answer is for. */
export interface ToldCaller {
  /** The answer has this text as `x-walnut-positions`; the last one counts. */
  tellPositions?(text: string): void;
}

export class ToldGroup {
  readonly #groupOf: () => string;
  /** The position that was named last, the same with the group, and the text of that. */
  #given: Position | undefined;
  #named: Position | undefined;
  #text = '';
  #prefix = '';
  #epoch = -1;
  #group = '';

  /** `groupOf`: the group of the node; empty while there is none. */
  constructor(groupOf: () => string) {
    this.#groupOf = groupOf;
  }

  moment(moment: ReadMoment, caller: ToldCaller): FoundAt {
    const asOf = this.#told(moment.asOf, caller);
    return asOf === moment.asOf ? moment : { entries: moment.entries, asOf, stalenessMs: moment.stalenessMs };
  }

  read(answer: GetAnswer, caller: ToldCaller): GetAnswer {
    const asOf = this.#told(answer.asOf, caller);
    return asOf === answer.asOf ? answer : { ...answer, asOf };
  }

  written<A extends WriteAnswer>(answer: A, caller: ToldCaller): A {
    const position = this.#told(answer.position, caller);
    return position === answer.position ? answer : { ...answer, position };
  }

  results(results: readonly BatchResult[], caller: ToldCaller): readonly BatchResult[] {
    if (this.#groupOf() === '') return results;
    let seen: Seen = [];
    const named = results.map((result) =>
      mapPosition(result, (given) => {
        const position = this.named(given);
        const newest = seen.at(-1);
        const isKnown = newest?.epoch === position.epoch && newest.lsn >= position.lsn;
        if (!isKnown) seen = seenAfter(seen, position, []);
        return position;
      }),
    );
    if (seen.length > 0) caller.tellPositions?.(formatPositions(seen));
    return named;
  }

  /** True if the ASCII in `bytes[from, to)` is the id of the group. */
  isAt(bytes: Uint8Array, from: number, to: number): boolean {
    const group = this.#groupOf();
    if (group === '' || to - from !== group.length) return false;
    for (let i = 0; i < group.length; i++) if (bytes[from + i] !== group.charCodeAt(i)) return false;
    return true;
  }

  /** A position without an LSN is of no group. */
  named(given: Position): Position {
    const group = this.#groupOf();
    if (group === '' || given.lsn === 0) return given;
    if (given === this.#given && group === this.#group) return this.#named as Position;
    if (group !== this.#group || given.epoch !== this.#epoch) {
      this.#group = group;
      this.#epoch = given.epoch;
      this.#prefix = `${group}=${given.epoch}-`;
    }
    this.#given = given;
    this.#text = '';
    this.#named = { epoch: given.epoch, lsn: given.lsn, group };
    return this.#named;
  }

  #told(given: Position, caller: ToldCaller): Position {
    const position = this.named(given);
    if (position === given) return given;
    if (this.#text === '') this.#text = this.#prefix + position.lsn;
    caller.tellPositions?.(this.#text);
    return position;
  }
}
