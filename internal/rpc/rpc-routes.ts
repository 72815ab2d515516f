/**
 * Services as modules, and where they register their rpcs: with Connect's router,
 * which can do everything, and, when unary, with the table of the direct path, which
 * does the common case fast. One implementation serves both.
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { ConnectRouter, ContextValues, HandlerContext, MethodImpl } from '@connectrpc/connect';
import type { KeyRights, Operation } from '#model/access.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { Later } from '#model/later.ts';
import { operationOf } from '#model/methods.ts';
import type { CallWish } from '#model/wish.ts';
import type { ApiParameter } from '#rpc/openapi/operation.ts';
import { callOf, type RpcCall } from '#rpc/rpc-call.ts';
import { hasOwnDetails } from '#rpc/undecodable.ts';
import { untilRetired } from '#rpc/until-retired.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';

/** Facts about a call that the implementation of a unary rpc may use. */
export interface UnaryContext {
  /** Aborts when the caller goes away or its deadline passes; made when first asked for. */
  readonly signal: AbortSignal;
  /** True if the caller set a deadline: then even a call that seldom waits uses the signal. */
  readonly hasDeadline: boolean;
  /** True if the request came as a GET of HTTP, which caches and proxies may repeat. */
  readonly isHttpGet: boolean;
  readonly values: ContextValues;
  /** The keys that the caller may touch; undefined: every key. */
  readonly keys: KeyRights | undefined;
  /** What the caller wishes by headers; undefined: nothing. */
  readonly wish: CallWish | undefined;
  /** Milliseconds left, below zero when it has passed; undefined without a deadline. */
  timeoutMs(): number | undefined;
  readonly requestHeader: Headers;
  /** Metadata sent before the answer and after it. */
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
  /** The answer has this text as `x-walnut-positions`; the last one counts. An error does not have it. */
  tellPositions(text: string): void;
  /** To be called before a large answer is made in slices; not there where no other call has to wait for that. */
  beginLarge?(): void;
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
  /** The key that `readMaxBytes` follows from, if there is one. */
  readonly key?: string;
}

/** A key or a few names, tokens and numbers: a key of 1,024 bytes takes 6 KiB in JSON with every character escaped. */
export const FEW: RpcLimits = { readMaxBytes: 16_384, fieldsMax: 1_024 };

/**
 * A shorter way for calls in one format: from the request's bytes to the answer's, with
 * `headroom` unwritten bytes before them. Undefined where it does not take the request,
 * with nothing done: then the message is decoded and the implementation asked. Both must
 * answer the same.
 */
export type BytesImpl = (
  request: Uint8Array,
  context: UnaryContext,
  headroom: number,
) => Awaitable<Buffer> | Later<Buffer> | undefined;

interface MethodRules {
  readonly limits: RpcLimits;
}

export interface UnaryMethod<Method extends DescMethodUnary> extends MethodRules {
  readonly impl: UnaryImpl<Method>;
  /** For protobuf's binary format. */
  readonly binaryImpl?: BytesImpl | undefined;
  readonly jsonImpl?: BytesImpl | undefined;
}

/** Facts about a call that the implementation of a server-streaming rpc may use. */
export interface StreamContext {
  /** Aborts when the caller goes away, its deadline passes or the server ends. */
  readonly signal: AbortSignal;
  readonly call: RpcCall;
  /** True if the messages are sent in JSON. */
  readonly isJson: boolean;
}

export type StreamImpl<Input extends DescMessage, Output extends DescMessage> = (
  request: MessageShape<Input>,
  context: StreamContext,
) => AsyncIterable<MessageInitShape<Output>>;

export interface StreamMethod<Method extends DescMethodStreaming> extends MethodRules {
  readonly impl: Method extends DescMethodServerStreaming<infer Input, infer Output>
    ? StreamImpl<Input, Output>
    : MethodImpl<Method>;
}

/** Every method of a service: one that is missing is an error of the compiler. */
export type MethodTable<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: Service['method'][Name] extends infer Method
    ? Method extends DescMethodUnary
      ? UnaryMethod<Method>
      : Method extends DescMethodStreaming
        ? StreamMethod<Method>
        : never
    : never;
};

/** One service as the edge serves it. */
export interface RpcModule {
  readonly service: DescService;
  /** Rules by the local name of the method. */
  readonly methods: Readonly<Record<string, MethodRules>>;
  /** What OpenAPI says of headers that every unary method takes. */
  readonly headers?: readonly ApiParameter[];
  register(routes: RpcRoutes): void;
}

export function createRpcModule<Service extends DescService>(
  service: Service,
  methods: MethodTable<Service>,
): RpcModule {
  const table = methods as unknown as Readonly<Record<string, UnaryMethod<never> & StreamMethod<never>>>;
  return {
    service,
    methods: table,
    register: (routes) => {
      for (const method of service.methods) {
        const given = table[method.localName] as UnaryMethod<never> & StreamMethod<never>;
        if (isUnary(method)) routes.unary(method, given as never);
        else routes.stream(method as DescMethodStreaming, given as never);
      }
    },
  };
}

/** The module of a service of which only some methods are served: a call of another one fails with what `refuse` returns. */
export function createPartialModule<Service extends DescService>(
  service: Service,
  served: Partial<MethodTable<Service>>,
  refuse: (method: DescMethod) => Promise<Error>,
): RpcModule {
  const refused = (method: DescMethod): MethodRules & { readonly impl: unknown } => {
    const fail = async (): Promise<never> => {
      throw await refuse(method);
    };
    const stream = async function* (): AsyncGenerator<never> {
      yield await fail();
    };
    return { limits: FEW, impl: isUnary(method) ? fail : stream };
  };
  const missing = service.methods.map((method) => [method.localName, refused(method)] as const);
  const table = { ...Object.fromEntries(missing), ...served } as unknown as MethodTable<Service>;
  return createRpcModule(service, table);
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary';
}

function isServerStreaming(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === 'server_streaming';
}

/** A unary rpc as the direct path needs it. */
export interface UnaryRoute {
  readonly operation: Operation;
  readonly method: DescMethodUnary;
  readonly impl: (
    request: MessageShape<DescMessage>,
    context: UnaryContext,
  ) => MessageInitShape<DescMessage> | Promise<MessageInitShape<DescMessage>>;
  readonly binaryImpl: BytesImpl | undefined;
  readonly jsonImpl: BytesImpl | undefined;
  readonly readMaxBytes: number;
  readonly limitKey: string | undefined;
  readonly fieldsMax: number;
  /** See `hasOwnDetails`. */
  readonly hasDetails: boolean;
}

export type StreamMessage = MessageInitShape<DescMessage>;

/** A server-streaming rpc as the direct path needs it. */
export interface StreamRoute {
  readonly operation: Operation;
  readonly method: DescMethodServerStreaming;
  readonly impl: StreamImpl<DescMessage, DescMessage>;
  readonly readMaxBytes: number;
}

/** A stream ends when the rights of its caller change. */
function endingWithRights<T>(messages: AsyncIterable<T>, { principal }: RpcCall): AsyncIterable<T> {
  const { retired } = principal;
  return retired === undefined ? messages : untilRetired(messages, retired);
}

/** Implements a method whose caller streams too. */
type AnyStream = (request: unknown, context: HandlerContext) => AsyncIterable<StreamMessage>;

/**
 * Connect decodes without counting, so little is let through to it: what the direct
 * path leaves to it is ill-formed and refused for that, or a GET in a URL.
 */
const ADAPTER_BYTES_MAX = 16_384;

export class RpcRoutes {
  readonly #router: ConnectRouter;
  readonly #adapterBytesMax: number;
  readonly #unary = new Map<string, UnaryRoute>();
  readonly #streams = new Map<string, StreamRoute>();
  readonly #operations = new Map<string, Operation>();

  /** `adapterBytesMax`: of a message of a unary rpc that the direct path does not take. */
  constructor(router: ConnectRouter, adapterBytesMax = ADAPTER_BYTES_MAX) {
    this.#router = router;
    this.#adapterBytesMax = adapterBytesMax;
  }

  /** Routes by path, `/package.Service/Method`. */
  get unaryRoutes(): ReadonlyMap<string, UnaryRoute> {
    return this.#unary;
  }

  get streamRoutes(): ReadonlyMap<string, StreamRoute> {
    return this.#streams;
  }

  /** The operation of every rpc, by path. */
  get operations(): ReadonlyMap<string, Operation> {
    return this.#operations;
  }

  unary<Method extends DescMethodUnary>(
    method: Method,
    { impl, limits, binaryImpl, jsonImpl }: UnaryMethod<Method>,
  ): this {
    this.#router.rpc(
      method as DescMethod,
      ((request: MessageShape<Method['input']>, context: HandlerContext) => {
        const { keys, wish } = callOf(context.values);
        const hasDeadline = context.timeoutMs() !== undefined;
        const isHttpGet = context.requestMethod === 'GET';
        const tellPositions = (text: string): void => context.responseHeader.set(POSITIONS_HEADER, text);
        return impl(request, Object.assign(context, { hasDeadline, keys, wish, isHttpGet, tellPositions }));
      }) as MethodImpl<DescMethod>,
      { readMaxBytes: Math.min(limits.readMaxBytes, this.#adapterBytesMax) },
    );
    const operation = this.#addOperation(method);
    // The request handed to it is always one of the method's own input type.
    this.#unary.set(operation.name, {
      operation,
      method,
      impl: impl as unknown as UnaryRoute['impl'],
      binaryImpl,
      jsonImpl,
      readMaxBytes: limits.readMaxBytes,
      limitKey: limits.key,
      fieldsMax: limits.fieldsMax,
      hasDetails: hasOwnDetails(method),
    });
    return this;
  }

  stream<Method extends DescMethodStreaming>(method: Method, { impl, limits }: StreamMethod<Method>): this {
    const { readMaxBytes } = limits;
    const operation = this.#addOperation(method);
    const served = isServerStreaming(method)
      ? this.#serverStream({ operation, method, readMaxBytes, impl: impl as StreamRoute['impl'] })
      : (request: unknown, context: HandlerContext) =>
          endingWithRights((impl as unknown as AnyStream)(request, context), callOf(context.values));
    this.#router.rpc(method as DescMethod, served as unknown as MethodImpl<DescMethod>, { readMaxBytes });
    return this;
  }

  /** Returns the implementation for Connect. */
  #serverStream(given: StreamRoute): AnyStream {
    const impl: StreamRoute['impl'] = (request, context) =>
      endingWithRights(given.impl(request, context), context.call);
    this.#streams.set(given.operation.name, { ...given, impl });
    return (request, { signal, requestHeader, values }) => {
      const isJson = requestHeader.get('content-type')?.includes('json') === true;
      return impl(request as MessageShape<DescMessage>, { signal, isJson, call: callOf(values) });
    };
  }

  #addOperation(method: DescMethod): Operation {
    const operation = operationOf(`/${method.parent.typeName}/${method.name}`);
    this.#operations.set(operation.name, operation);
    return operation;
  }
}
