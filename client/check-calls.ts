/** What calls of a client refuse, with INVALID_ARGUMENT, before it is known where they go. */
import {
  BatchRequestSchema,
  ExplainRequestSchema,
  GetRequestSchema,
  GetUpdatesRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { checkKey, checkNames, type OptionNames, optionNames } from './call-options.ts';

const ATOMIC = optionNames(BatchRequestSchema, ['operations', 'atomic'], ['signal']);
const GET = optionNames(GetRequestSchema, ['key'], ['signal']);
const GET_UPDATES = optionNames(GetUpdatesRequestSchema, [], ['signal']);
const EXPLAIN = optionNames(ExplainRequestSchema, ['key']);
const CALL: OptionNames = new Map([['signal', 'signal']]);

export function checkGet(key: string, options: object): void {
  checkKey(key);
  checkNames(options, GET);
}

export function checkAtomic(options: object): void {
  checkNames(options, ATOMIC);
}

export function checkGetUpdates(options: object): void {
  checkNames(options, GET_UPDATES);
}

export function checkExplain(key: string, changes: number, options: object): void {
  checkKey(key);
  checkNames({ changes }, EXPLAIN);
  checkNames(options, CALL);
}
