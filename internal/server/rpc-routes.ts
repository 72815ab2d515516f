/**
 * Where services register their rpcs: with Connect's router, which can do
 * everything, and, when unary, with the table of the direct path, which does
 * the common case fast. One implementation serves both.
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { ConnectRouter, ContextValues, HandlerContext, MethodImpl } from '@connectrpc/connect';

/** What an implementation of a unary rpc may know of its call. */
export interface UnaryContext {
  /** Aborts when the caller goes away or its deadline passes; made when first asked for. */
  readonly signal: AbortSignal;
  /** Whether the caller set one: then even a call that seldom waits takes the signal. */
  readonly hasDeadline: boolean;
  readonly values: ContextValues;
  /** Milliseconds left, below zero when it has passed; undefined without a deadline. */
  timeoutMs(): number | undefined;
  readonly requestHeader: Headers;
  /** Metadata sent before the answer and after it. */
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
}

export type UnaryImpl<Method extends DescMethodUnary> = (
  request: MessageShape<Method['input']>,
  context: UnaryContext,
) => MessageInitShape<Method['output']> | Promise<MessageInitShape<Method['output']>>;

export interface RpcLimits {
  /** Bytes of one message, as sent and expanded. */
  readonly readMaxBytes: number;
  /** Fields in one message, elements of lists and what is within them included. */
  readonly fieldsMax: number;
}

/**
 * A shorter way for calls in protobuf's binary format: from the request's bytes
 * to the answer's, with `headroom` unwritten bytes before them. Undefined where
 * it does not take the request, with nothing done: then the message is decoded
 * and the implementation asked. Both must answer the same.
 */
export type BinaryImpl = (
  request: Uint8Array,
  context: UnaryContext,
  headroom: number,
) => Buffer | Promise<Buffer> | undefined;

/** A unary rpc as the direct path needs it. */
export interface UnaryRoute {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly method: DescMethodUnary;
  readonly impl: (
    request: MessageShape<DescMessage>,
    context: UnaryContext,
  ) => MessageInitShape<DescMessage> | Promise<MessageInitShape<DescMessage>>;
  readonly binaryImpl: BinaryImpl | undefined;
  readonly readMaxBytes: number;
  readonly fieldsMax: number;
}

/**
 * Connect decodes without counting, so little is let through to it: what the direct
 * path leaves to it is ill-formed and refused for that, or a GET in a URL.
 */
const ADAPTER_BYTES_MAX = 16_384;

export class RpcRoutes {
  readonly #router: ConnectRouter;
  readonly #adapterBytesMax: number;
  readonly #unary = new Map<string, UnaryRoute>();

  /** `adapterBytesMax`: of a message of a unary rpc that the direct path does not take. */
  constructor(router: ConnectRouter, adapterBytesMax = ADAPTER_BYTES_MAX) {
    this.#router = router;
    this.#adapterBytesMax = adapterBytesMax;
  }

  /** By path, `/package.Service/Method`. */
  get unaryRoutes(): ReadonlyMap<string, UnaryRoute> {
    return this.#unary;
  }

  unary<Method extends DescMethodUnary>(
    method: Method,
    impl: UnaryImpl<Method>,
    limits: RpcLimits,
    binaryImpl?: BinaryImpl,
  ): this {
    this.#router.rpc(
      method as DescMethod,
      ((request: MessageShape<Method['input']>, context: HandlerContext) =>
        impl(
          request,
          Object.assign(context, { hasDeadline: context.timeoutMs() !== undefined }),
        )) as MethodImpl<DescMethod>,
      { readMaxBytes: Math.min(limits.readMaxBytes, this.#adapterBytesMax) },
    );
    const path = `/${method.parent.typeName}/${method.name}`;
    // The request handed to it is always one of the method's own input type.
    this.#unary.set(path, {
      path,
      method,
      impl: impl as unknown as UnaryRoute['impl'],
      binaryImpl,
      readMaxBytes: limits.readMaxBytes,
      fieldsMax: limits.fieldsMax,
    });
    return this;
  }

  stream<Method extends DescMethodStreaming>(
    method: Method,
    impl: MethodImpl<Method>,
    { readMaxBytes }: RpcLimits,
  ): this {
    this.#router.rpc(method as DescMethod, impl as MethodImpl<DescMethod>, { readMaxBytes });
    return this;
  }
}
