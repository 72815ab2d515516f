/** The answer to a unary call, as any HTTP can send it. */

import { POSITIONS_HEADER } from '#wire/call-headers.ts';

/** Names in lower case. */
export type AnswerHeaders = Record<string, string | string[]>;

/** The headers of any response, as its maker gives them. */
export type Fields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** The head of an answer as it nearly always is: status 200, and the same headers but for the length. It is prepared once. */
export interface PlainHead {
  readonly headers: AnswerHeaders;
  /** The length of the body is told, too. */
  readonly isSized: boolean;
}

export interface Answer {
  readonly status: number;
  /** Those of `plain`, which other answers share, where there is one. Else they are this answer's own, and tell the length of a sized body. */
  readonly headers: AnswerHeaders;
  /** The head, where nothing special is in it. */
  readonly plain?: PlainHead | undefined;
  /** `x-walnut-positions`, beside those headers; undefined: there is none. */
  readonly positions?: string | undefined;
  readonly body: Buffer;
  /** HTTP/2 only. */
  readonly trailers?: AnswerHeaders;
}

/** All headers of the answer, for an HTTP that prepares no heads. */
export function wholeHeaders({ headers, plain, positions, body }: Answer): AnswerHeaders {
  const told = positions === undefined ? headers : { ...headers, [POSITIONS_HEADER]: positions };
  return plain?.isSized === true ? { ...told, 'content-length': String(body.length) } : told;
}

export const OK_TRAILERS: AnswerHeaders = { 'grpc-status': '0' };
