/** Calls of which one answers a page: they are repeated with the cursor of the page before, until the last page. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  DeletePrefixRequestSchema,
  ScanRequestSchema,
  type ScanResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { Target } from '#routing/group-routes.ts';
import { checkKey, checkNames, type OptionNames, optionNames } from './call-options.ts';
import type { Caller } from './caller.ts';
import { type CallError, invalid, ofPart } from './failures.ts';
import { type CallOptions, receiptWaitMs } from './operations.ts';

/** The fields of the message without what the client sets. */
export type DeletePrefixOptions = Omit<
  MessageInitShape<typeof DeletePrefixRequestSchema>,
  'prefix' | 'cursor' | '$typeName'
>;
export type ScanOptions = Omit<
  MessageInitShape<typeof ScanRequestSchema>,
  'prefix' | 'cursor' | 'countOnly' | '$typeName'
>;

const DELETE_PREFIX = optionNames(DeletePrefixRequestSchema, ['prefix', 'cursor'], ['signal']);
const COUNT: OptionNames = new Map([['signal', 'signal']]);
const SCAN = optionNames(ScanRequestSchema, ['prefix', 'cursor', 'countOnly'], ['signal']);

/** Throws INVALID_ARGUMENT for what `deletePages` does not take. */
export function checkDeletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions): void {
  checkPrefix(prefix);
  checkNames(options, DELETE_PREFIX);
}

/** Throws INVALID_ARGUMENT for what `scanPages` does not take. */
export function checkScan(prefix: string, options: ScanOptions & CallOptions): void {
  checkPrefix(prefix);
  checkNames(options, SCAN);
}

/** Throws INVALID_ARGUMENT for what `countPages` does not take. */
export function checkCount(prefix: string, options: CallOptions): void {
  checkPrefix(prefix);
  checkNames(options, COUNT);
}

/** Resolves with the number of entries that were deleted. A page whose answer is lost is not called again: it has no name. */
export async function deletePages(
  caller: Caller,
  prefix: string,
  options: DeletePrefixOptions & CallOptions,
): Promise<number> {
  const { signal, ...fields } = options;
  const kind = {
    rpc: 'DeletePrefix',
    target: 'master',
    isRepeatable: false,
    waitMs: receiptWaitMs(options),
    signal,
    isOfSession: true,
  } as const;
  let deleted = 0;
  let cursor = '';
  let at: string | undefined;
  do {
    const answer = await caller
      .run({ ...kind, at }, async (sent) => {
        at = sent.address;
        return sent.link.store.deletePrefix({ ...fields, prefix, cursor }, sent.options);
      })
      .catch((error: CallError) => {
        throw cursor === '' ? error : ofPart(error);
      });
    caller.session.observeWrite(answer.position);
    deleted += answer.deleted;
    cursor = answer.nextCursor;
  } while (cursor !== '');
  return deleted;
}

/** The key need not be there. A caller that may scan all keys may read it. */
const ANY_KEY = 'walnut';

/** Gives the entries of all pages, which come from the node that gave the first: a cursor is of one node. */
export async function* scanPages(
  caller: Caller,
  target: Target,
  prefix: string,
  options: ScanOptions & CallOptions,
): AsyncGenerator<Entry, void, undefined> {
  const { signal, ...fields } = options;
  for await (const answer of pages(caller, target, { ...fields, prefix }, signal)) yield* answer.entries;
}

/** Resolves with the number of entries, a page after the other as a scan. */
export async function countPages(
  caller: Caller,
  target: Target,
  prefix: string,
  { signal }: CallOptions,
): Promise<number> {
  let count = 0;
  for await (const answer of pages(caller, target, { prefix, countOnly: true }, signal))
    count += answer.count;
  return count;
}

async function* pages(
  caller: Caller,
  target: Target,
  fields: MessageInitShape<typeof ScanRequestSchema> & { readonly prefix: string },
  signal: AbortSignal | undefined,
): AsyncGenerator<ScanResponse, void, undefined> {
  let cursor = '';
  let at: string | undefined;
  do {
    const answer = await caller.run(
      { rpc: 'Scan', target, isRepeatable: true, isRead: true, waitMs: 0, signal, at, isOfSession: true },
      async (sent) => {
        at = sent.address;
        return sent.link.store.scan({ ...fields, cursor }, sent.options);
      },
    );
    caller.session.observe(answer.asOf);
    // A Scan carries no position: whether its history has what was seen before must be asked.
    if (caller.session.unproven.length > 0) await caller.prove(fields.prefix || ANY_KEY);
    yield answer;
    cursor = answer.nextCursor;
  } while (cursor !== '');
}

function checkPrefix(prefix: string): void {
  checkKey(prefix, 'prefix');
  if (!prefix.isWellFormed()) throw invalid('ill-formed text: prefix has lone surrogates, expected none');
}
