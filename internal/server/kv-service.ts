/** KVStore over Connect: decode, ask the port, encode. */
import type { ConnectRouter } from '@connectrpc/connect';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { KeyValuePort } from '#model/ports.ts';
import {
  type BatchLimits,
  type DescribeError,
  fromBatchResults,
  toBatchOperations,
} from '#wire/batch-codec.ts';
import {
  fromDeleteAnswer,
  fromGetAnswer,
  fromSetAnswer,
  toDeleteCommand,
  toGetCommand,
  toSetCommand,
} from '#wire/kv-codec.ts';
import { fromScanAnswer, fromUpdatesAnswer, toScanCommand, toUpdatesCommand } from '#wire/scan-codec.ts';

export interface KeyValueServiceOptions {
  readonly port: KeyValuePort;
  readonly limits: BatchLimits;
  readonly describe: DescribeError;
  /** Transport limits, bytes of one message as sent. */
  readonly unaryBytesMax: number;
  readonly batchBytesMax: number;
}

export function routeKeyValue(router: ConnectRouter, options: KeyValueServiceOptions): void {
  const { port, limits, describe } = options;
  const { method } = KVStore;
  const unary = { readMaxBytes: options.unaryBytesMax };
  router
    .rpc(
      method.get,
      async (request, { signal }) => fromGetAnswer(await port.get(toGetCommand(request), signal)),
      unary,
    )
    .rpc(
      method.set,
      async (request, { signal }) =>
        fromSetAnswer(await port.set(toSetCommand(request, limits.valueBytesMax), signal)),
      unary,
    )
    .rpc(
      method.delete,
      async (request, { signal }) => fromDeleteAnswer(await port.delete(toDeleteCommand(request), signal)),
      unary,
    )
    .rpc(
      method.batch,
      async (request, { signal }) => {
        const parsed = toBatchOperations(request, limits);
        const results = parsed.operations.length === 0 ? [] : await port.batch(parsed.operations, signal);
        return fromBatchResults(parsed, results, limits, describe);
      },
      { readMaxBytes: options.batchBytesMax },
    )
    .rpc(method.scan, (request) => fromScanAnswer(port.scan(toScanCommand(request))), unary)
    .rpc(
      method.getUpdates,
      async (request, { signal }) =>
        fromUpdatesAnswer(await port.getUpdates(toUpdatesCommand(request), signal)),
      unary,
    );
}
