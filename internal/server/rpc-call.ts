/** What travels with one rpc through Connect's machinery: who calls, and what became of it. */
import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect';

export interface RpcCall {
  /** The peer's IP address. */
  readonly remoteAddress: string;
  /** Set by the interceptor; undefined where the request did not get that far. */
  code: string | undefined;
}

const callKey = createContextKey<RpcCall>(
  { remoteAddress: '', code: undefined },
  { description: 'the call as the edge sees it' },
);

export function contextValuesOf(call: RpcCall): ContextValues {
  return createContextValues().set(callKey, call);
}

export function callOf(values: ContextValues): RpcCall {
  return values.get(callKey);
}
