/** Facts about one call, and its result. Connect's context values carry it through Connect's code. */
import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect';
import { ANONYMOUS, type KeyRights, type Principal } from '#model/access.ts';
import type { WalnutError } from '#model/errors.ts';

export interface RpcCall {
  /** Anonymous until admission has found out. */
  principal: Principal;
  /** The keys that the caller may touch in this call; undefined: every key. */
  keys: KeyRights | undefined;
  /** The peer's IP address; empty where it has gone. */
  readonly remoteAddress: string;
  /** Why the call is not admitted. */
  refusal: WalnutError | undefined;
  /** Set by the interceptor; undefined where the request did not get that far. */
  code: string | undefined;
  /** Called with the code of the answer, for calls that the audit log is about. */
  onEnd: ((code: string) => void) | undefined;
}

/** A call that nothing is known of but the address it comes from. */
export function anonymousCall(remoteAddress: string): RpcCall {
  return {
    principal: ANONYMOUS,
    keys: undefined,
    remoteAddress,
    refusal: undefined,
    code: undefined,
    onEnd: undefined,
  };
}

const callKey = createContextKey<RpcCall>(anonymousCall(''), { description: 'the call as the edge sees it' });

export function contextValuesOf(call: RpcCall): ContextValues {
  return createContextValues().set(callKey, call);
}

export function callOf(values: ContextValues): RpcCall {
  return values.get(callKey);
}
