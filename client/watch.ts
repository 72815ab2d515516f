/** Watch as the client offers it: what to watch and how, and a transport that goes on by itself. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectError } from '@connectrpc/connect';
import { type WatchRequest, WatchRequestSchema, type WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { shown } from '#platform/shown.ts';
import type { Target } from '#routing/group-routes.ts';
import type { Router } from '#routing/router.ts';
import { checkFunction, checkKey, checkMs, checkNames, optionNames } from './call-options.ts';
import { invalid } from './failures.ts';
import type { NodeStub } from './node-links.ts';
import { type OpenWatch, resumingWatch } from './resuming-watch.ts';

const PATIENCE_MS = 60_000;

/** What to watch: one key, or the keys with a prefix; an empty prefix is every key. */
export type WatchTarget = { readonly key: string } | { readonly prefix: string };
export interface WatchOptions
  extends Omit<MessageInitShape<typeof WatchRequestSchema>, 'what' | '$typeName' | '$unknown'> {
  readonly signal?: AbortSignal;
  /** How long to try without getting a message, in milliseconds; default 60,000. */
  readonly patienceMs?: number;
  /** Told why the watch begins again; what it throws is ignored. */
  readonly onBreak?: ((error: ConnectError) => void) | undefined;
}

const NAMES = optionNames(WatchRequestSchema, ['what'], ['signal', 'patienceMs', 'onBreak']);

/** What a watch uses of its client. */
export interface WatchingClient {
  readonly router: Router<NodeStub>;
  readonly clock: Clock;
  readonly readFrom: Target;
  /** How long nodes that hang are asked again for the first message, milliseconds. */
  readonly beginMs: number;
}

/** Throws INVALID_ARGUMENT for what is no target, and for options that do not exist or are out of range. */
export function checkWatch(what: WatchTarget, options: WatchOptions): void {
  checkNames(options, NAMES);
  const { patienceMs = PATIENCE_MS, onBreak } = options;
  checkTarget(what);
  if (patienceMs !== Number.POSITIVE_INFINITY) checkMs('patienceMs', patienceMs, 0, Number.MAX_SAFE_INTEGER);
  checkFunction('onBreak', onBreak);
}

/** `closed` ends the watch, as the caller's signal does. */
export function openWatch(
  { router, clock, readFrom, beginMs }: WatchingClient,
  what: WatchTarget,
  options: WatchOptions,
  closed: AbortSignal,
): AsyncIterable<WatchResponse> {
  checkWatch(what, options);
  const { signal, patienceMs = PATIENCE_MS, onBreak, ...fields } = options;
  const target: WatchRequest['what'] =
    'key' in what ? { case: 'key', value: what.key } : { case: 'prefix', value: what.prefix };
  const ends = signal === undefined ? closed : AbortSignal.any([signal, closed]);
  const open: OpenWatch = (request, ended) =>
    router.stream(
      readFrom,
      ({ store }, signal) => store.watch(request, { signal: AbortSignal.any([signal, ended]), timeoutMs: 0 }),
      { signal: ends, beginMs },
    );
  return resumingWatch(open, { ...fields, what: target }, { clock, signal: ends, patienceMs, onBreak });
}

function checkTarget(what: WatchTarget): void {
  const [name, ...others] = typeof what === 'object' && what !== null ? Object.keys(what) : [];
  const extra = [name, ...others].find((one) => one !== undefined && one !== 'key' && one !== 'prefix');
  if (others.length > 0 && extra !== undefined)
    throw invalid(
      `the target has ${extra}: expected { key } or { prefix } alone; options, such as signal, are the second argument`,
    );
  if (others.length > 0 || (name !== 'key' && name !== 'prefix'))
    throw invalid(`${shown(what)} is no target: expected { key } or { prefix }`);
  checkKey(Object.values(what)[0], name);
}
