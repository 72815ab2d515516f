// biome-ignore-all lint/performance/noBarrelFile: what `import … from` the package gives is one file.
/** What the package exports: the client on `fetch`, for browsers. Whatever is not named here may change without notice. */

export { Code } from '@connectrpc/connect';
export { Durability, Op } from '#gen/walnut/v1/types_pb.ts';
export type { Outcome, Told } from '#routing/failure.ts';
export type { ReadPolicy } from '#routing/group-routes.ts';
export type { WalnutClientOptions } from './client-options.ts';
export { bytes, type Codec, json, text } from './codecs.ts';
export { connect, type FetchClientOptions } from './connect-fetch.ts';
export type { CallEnd, OperationEnd, OutageEvent, RetryBegin } from './diagnostics.ts';
export { CallError } from './failures.ts';
export type { Load } from './get-or-set.ts';
export type { KeyMap, MapChange, Replaced } from './key-map.ts';
export type { GetOrSetOptions } from './load-plan.ts';
export type { NearOptions, NearStats } from './near-cache.ts';
export type {
  AtomicOperation,
  AtomicOptions,
  AwaitDurableOptions,
  CallOptions,
  DeleteOptions,
  GetOptions,
  GetUpdatesOptions,
  IncrementOptions,
  SetOptions,
  TouchOptions,
} from './operations.ts';
export type { DeletePrefixOptions, ScanOptions } from './paged-calls.ts';
export { Session } from './session.ts';
export type { WalnutClient } from './walnut-client.ts';
export type { WatchOptions, WatchTarget } from './watch.ts';
