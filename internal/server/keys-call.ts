/** One request to `/v1/keys/{key}`, and the answers that reads and writes share. */
import { checkMayWrite } from '#auth/guarded-keys.ts';
import { covers } from '#auth/prefixes.ts';
import type { ReceiptOptions } from '#model/commands.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { BoundAnswer } from '#rpc/answer-pace.ts';
import { type Headers, type HttpRequest, type HttpResponse, isOver, sendProblem } from '#rpc/http-io.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { KeysBodyOptions } from '#server/keys-body.ts';

export interface KeysCallOptions extends KeysBodyOptions {
  readonly port: KeyValuePort;
  readonly boundAnswer: BoundAnswer;
}

export class KeysCall {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly key: string;
  readonly query: string;
  readonly caller: RpcCall;
  /** False: what is stored under the key is left out of answers. */
  readonly mayRead: boolean;
  #aborter: AbortController | undefined;

  constructor(request: HttpRequest, response: HttpResponse, key: string, query: string, caller: RpcCall) {
    this.request = request;
    this.response = response;
    this.key = key;
    this.query = query;
    this.caller = caller;
    this.mayRead = caller.keys === undefined || covers(caller.keys.read, key);
  }

  /** Throws `permission_denied`. Asked before the body is read, which takes room and time. */
  checkMayWrite(): void {
    const { keys } = this.caller;
    if (keys !== undefined) checkMayWrite(keys, this.key);
  }

  /** Aborts if the caller goes away. Made when it is first asked for: it costs more than a small write. */
  get signal(): AbortSignal {
    this.#aborter ??= this.#watch(new AbortController());
    return this.#aborter.signal;
  }

  /** Only a write that waits for more than being visible needs to know that its caller went away. */
  signalFor({ minAcks, durability }: ReceiptOptions): AbortSignal | undefined {
    return minAcks > 0 || durability !== undefined ? this.signal : undefined;
  }

  #watch(aborter: AbortController): AbortController {
    const { response } = this;
    if (isOver(response)) aborter.abort();
    response.once('close', () => {
      if (!response.writableFinished) aborter.abort();
    });
    return aborter;
  }
}

export function sendMissing({ request, response }: KeysCall, headers: Headers): void {
  sendProblem(request, response, 404, { code: 'not_found', message: 'there is no such key' }, headers);
}

/** `version`: undefined where there is no entry. */
export function sendConditionNotMet(
  { request, response, mayRead }: KeysCall,
  version: Position | undefined,
  headers: Headers,
): void {
  const found = version === undefined ? 'the key is missing' : `the version is ${formatPosition(version)}`;
  // A caller that may not read the key gets no version of an entry that is there.
  const now = !mayRead ? '' : `: ${found}`;
  const message = `the condition was not met${now}`;
  sendProblem(request, response, 412, { code: 'failed_precondition', message, nothingDone: true }, headers);
}
