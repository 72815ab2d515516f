/**
 * What several sources tell, in the order in which it comes. Each source is asked for one message
 * at a time, so that it waits with the next one until its caller has taken this one; a source that
 * is quiet for long costs nothing while others tell much.
 */

export interface Source<M> {
  readonly messages: AsyncIterator<M>;
}

export interface Told<S, M> {
  readonly source: S;
  /** Undefined: the source has ended. */
  readonly message: M | undefined;
}

interface Arrival<S, M> extends Told<S, M> {
  readonly error?: { readonly thrown: unknown };
}

export class Arrivals<S extends Source<M>, M> {
  /** At most one of each source. */
  readonly #arrived: Arrival<S, M>[] = [];
  #wake = (): void => undefined;

  /** Asks a source for its next message. Not to be called again before that was taken. */
  ask(source: S): void {
    const arrive = (arrival: Arrival<S, M>): void => {
      this.#arrived.push(arrival);
      this.#wake();
    };
    source.messages.next().then(
      ({ done, value }) => arrive({ source, message: done === true ? undefined : value }),
      (thrown: unknown) => arrive({ source, message: undefined, error: { thrown } }),
    );
  }

  /** The oldest message that is not taken yet, of any source or of `only`. Rejects with the error of the source. */
  async take(only?: S): Promise<Told<S, M>> {
    for (;;) {
      const at = only === undefined ? 0 : this.#arrived.findIndex(({ source }) => source === only);
      const [arrival] = at < 0 ? [] : this.#arrived.splice(at, 1);
      if (arrival === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (arrival.error !== undefined) throw arrival.error.thrown;
      return arrival;
    }
  }

  /** Asks every source, and resolves with the first message of each, in their order. Rejects as soon as one fails. */
  async firsts(sources: readonly S[]): Promise<Told<S, M>[]> {
    for (const source of sources) this.ask(source);
    const firsts = new Map<S, Told<S, M>>();
    while (firsts.size < sources.length) {
      const told = await this.take();
      firsts.set(told.source, told);
      if (told.message === undefined) break;
    }
    return sources.flatMap((source) => firsts.get(source) ?? []);
  }
}
