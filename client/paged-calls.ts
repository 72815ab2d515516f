/** Calls of which one answers a page: they are repeated with the cursor of the page before, until the last page. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import type { DeletePrefixRequestSchema, KVStore, ScanRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import { invalid } from './operations.ts';
import type { Session } from './session.ts';

/** The fields of the message without what the client sets. */
export type DeletePrefixOptions = Omit<
  MessageInitShape<typeof DeletePrefixRequestSchema>,
  'prefix' | 'cursor' | '$typeName'
>;
export type ScanOptions = Omit<
  MessageInitShape<typeof ScanRequestSchema>,
  'prefix' | 'cursor' | 'countOnly' | '$typeName'
>;

/** Resolves with the number of entries that were deleted. `timeoutMs` is for each call. */
export async function deletePages(
  store: Client<typeof KVStore>,
  prefix: string,
  options: DeletePrefixOptions,
  session: Session,
  timeoutMs: number,
): Promise<number> {
  checkPrefix(prefix);
  let deleted = 0;
  let cursor = '';
  do {
    const answer = await store.deletePrefix({ ...options, prefix, cursor }, { timeoutMs });
    session.observe(answer.position);
    deleted += answer.deleted;
    cursor = answer.nextCursor;
  } while (cursor !== '');
  return deleted;
}

/** Gives the entries of all pages. `timeoutMs` is for each call. */
export async function* scanPages(
  store: Client<typeof KVStore>,
  prefix: string,
  options: ScanOptions,
  session: Session,
  timeoutMs: number,
): AsyncGenerator<Entry, void, undefined> {
  checkPrefix(prefix);
  let cursor = '';
  do {
    const answer = await store.scan({ ...options, prefix, cursor }, { timeoutMs });
    session.observe(answer.asOf);
    yield* answer.entries;
    cursor = answer.nextCursor;
  } while (cursor !== '');
}

function checkPrefix(prefix: string): void {
  if (!prefix.isWellFormed()) throw invalid('ill-formed text: prefix has lone surrogates');
}
