/** Streams end when the rights that they began with are withdrawn. */
import { WalnutError } from '#model/errors.ts';

/**
 * The same messages until `retired` aborts; then throws `unavailable`: a caller that still
 * has rights calls again and goes on, and one that has none is refused then. A wait of `messages`
 * is not ended here: the signal that it was made with aborts with its answer.
 */
export async function* untilRetired<T>(
  messages: AsyncIterable<T>,
  retired: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterator = messages[Symbol.asyncIterator]();
  let fail: (error: WalnutError) => void = () => {};
  const onAbort = (): void => fail(ended());
  retired.addEventListener('abort', onAbort, { once: true });
  try {
    for (;;) {
      if (retired.aborted) throw ended();
      // A race with one lasting promise would keep every message that ever raced.
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        fail = reject;
        iterator.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    retired.removeEventListener('abort', onAbort);
    iterator.return?.().catch(() => {});
  }
}

function ended(): WalnutError {
  return new WalnutError(
    'unavailable',
    'the rights of this caller changed while the stream was open: call again',
  );
}
