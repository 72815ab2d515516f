/** Long values with a buffer each, by small numbers that are used again. A value is never written to here. */

import { isMostOfBuffer } from '#platform/bytes.ts';

export class OwnValues {
  readonly #values: (Uint8Array | undefined)[] = [];
  readonly #free: number[] = [];

  /** Returns the number of a copy, or of the value itself where nobody writes to it again and its buffer has little else. */
  keep(value: Uint8Array, isFinal = false): number {
    const id = this.#free.pop() ?? this.#values.length;
    this.#values[id] = isFinal && isMostOfBuffer(value) ? value : new Uint8Array(value);
    return id;
  }

  at(id: number): Uint8Array | undefined {
    return this.#values[id];
  }

  drop(id: number): void {
    this.#values[id] = undefined;
    this.#free.push(id);
  }
}
