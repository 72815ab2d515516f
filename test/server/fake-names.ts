/** What the fake node knows of names: it carries out every write, and says which name came before. */
import type { BatchResult } from '#model/commands.ts';
import type { WriteId } from '#model/write-id.ts';

export class FakeNames {
  readonly #known = new Set<string>();

  /** The results of a batch with this name. */
  repeated(results: readonly BatchResult[], id: WriteId): BatchResult[] {
    const repeat = this.repeatOf(id);
    return results.map((result) =>
      result.kind === 'error'
        ? result
        : ({ ...result, answer: { ...result.answer, ...repeat } } as BatchResult),
    );
  }

  repeatOf(id: WriteId | undefined): { readonly isRepeat?: true } {
    if (id === undefined) return {};
    const { name } = id;
    const text = name.kind === 'request' ? name.requestId : `${name.clientId} ${name.sequence}`;
    if (this.#known.has(text)) return { isRepeat: true };
    this.#known.add(text);
    return {};
  }
}
