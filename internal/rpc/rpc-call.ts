/** Facts about one call, and its result. Connect's context values carry it through Connect's code. */
import { type ContextValues, createContextKey, createContextValues } from '@connectrpc/connect';
import { ANONYMOUS, type KeyRights, type Peer, type Principal } from '#model/access.ts';
import type { WalnutError } from '#model/errors.ts';
import type { CallWish } from '#model/wish.ts';
import { NO_PEER } from '#rpc/peer.ts';

/**
 * Sends messages of a stream past the iteration of its other messages, which costs more
 * than all else that a small message does. A frame is the message behind its five bytes of
 * flags (0) and length, as Connect, gRPC and gRPC-Web have it.
 */
export interface FrameSink {
  /**
   * Sends a frame in this turn. Returns false where no other may be sent before `onReady`
   * is called, which is later, once, and never if the peer has gone.
   */
  send(frame: Uint8Array, onReady: () => void): boolean;
  /** The same for the first `length` bytes of a buffer that is used again when this returns. */
  sendCopy(buffer: Buffer, length: number, onReady: () => void): boolean;
  /**
   * The same for a part of a frame, which another part or, with `send`, its end must follow,
   * at once or when it is ready: a stream that ends before is cut off. Parts are kept by
   * reference until they are out.
   */
  sendPart(part: Uint8Array, onReady: () => void): boolean;
}

export interface RpcCall {
  /** Anonymous until admission has found out. */
  principal: Principal;
  /** The keys that the caller may touch in this call; undefined: every key. */
  keys: KeyRights | undefined;
  /** The user that called for `principal`, as a gateway does; undefined: it called itself. */
  via: string | undefined;
  /** What the caller wishes by headers; undefined: nothing. */
  wish: CallWish | undefined;
  readonly peer: Peer;
  /** Why the call is not admitted. */
  refusal: WalnutError | undefined;
  /** Set by the interceptor; undefined where the request did not get that far. */
  code: string | undefined;
  /** There once the headers of a streamed answer are out. */
  frames: FrameSink | undefined;
  /** Called with the code of the answer, for calls that the audit log is about. */
  onEnd: ((code: string) => void) | undefined;
}

/** A call that nothing is known of but where it comes from. */
export function anonymousCall(peer: Peer): RpcCall {
  return {
    principal: ANONYMOUS,
    keys: undefined,
    via: undefined,
    wish: undefined,
    peer,
    refusal: undefined,
    code: undefined,
    frames: undefined,
    onEnd: undefined,
  };
}

const callKey = createContextKey<RpcCall>(anonymousCall(NO_PEER), {
  description: 'the call as the edge sees it',
});

export function contextValuesOf(call: RpcCall): ContextValues {
  return createContextValues().set(callKey, call);
}

export function callOf(values: ContextValues): RpcCall {
  return values.get(callKey);
}
