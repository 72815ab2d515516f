/** What the routes of keys share: how they are counted, and how their errors are answered. */
import type { KeyRights } from '#model/access.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { ObserveCall } from '#rpc/call-observer.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { type HttpRequest, type HttpResponse, isOver, methodNotAllowed, sendProblem } from '#rpc/http-io.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import { HttpRefusal } from '#server/http-refusal.ts';
import type { KeysCallOptions } from '#server/keys-call.ts';
import type { KeysViews } from '#server/keys-views.ts';
import type { HttpError } from '#wire/error-codec.ts';

export interface KeysRouteOptions extends KeysCallOptions {
  readonly views: KeysViews;
  readonly errors: ErrorMapper;
  readonly observe: ObserveCall;
}

/** The options for a caller with these rights. */
export function optionsFor<Options extends { readonly port: KeyValuePort; readonly views: KeysViews }>(
  options: Options,
  keys: KeyRights | undefined,
): Options {
  return keys === undefined ? options : { ...options, port: options.views(keys).port };
}

/** Answers what `carryOut` throws. */
export async function serveKeys(
  { observe, errors, clock }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  call: RpcCall,
  carryOut: () => void | Promise<void>,
): Promise<void> {
  const startedMs = clock.monotonicMs();
  const end = (code: string): void => {
    observe(request.method ?? '', code, clock.monotonicMs() - startedMs);
    call.onEnd?.(code);
  };
  try {
    await carryOut();
    end('ok');
  } catch (error) {
    if (isOver(response)) return;
    const { httpStatus, code, message, headers } = toHttpError(error, errors);
    end(code);
    sendProblem(request, response, httpStatus, { code, message }, headers);
  }
}

export function refuseMethod(method: string | undefined, allow: string): HttpRefusal {
  return new HttpRefusal(405, 'unimplemented', methodNotAllowed(method, allow), { allow });
}

function toHttpError(error: unknown, errors: ErrorMapper): HttpError {
  return error instanceof HttpRefusal ? error : errors.toHttpError(error);
}
