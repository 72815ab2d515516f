/** Around every rpc: turns what the ports throw into Connect errors, and notes the outcome for the metrics. */
import type { Interceptor } from '@connectrpc/connect';
import { blamedOnCaller } from '#rpc/early-failure.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { callOf, type RpcCall } from '#rpc/rpc-call.ts';
import { codeName } from '#wire/error-reader.ts';

export function createRpcInterceptor(errors: ErrorMapper): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request.contextValues);
    const fail = (error: unknown): Error => {
      const mapped = blamedOnCaller(errors.toConnectError(error, request.signal));
      call.code = codeName(mapped.code);
      return mapped;
    };
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: watched(response.message, call, fail) };
      call.code = 'ok';
      return response;
    } catch (error) {
      throw fail(error);
    }
  };
}

async function* watched<T>(
  messages: AsyncIterable<T>,
  call: RpcCall,
  fail: (error: unknown) => Error,
): AsyncIterable<T> {
  try {
    yield* messages;
    call.code = 'ok';
  } catch (error) {
    throw fail(error);
  }
}
