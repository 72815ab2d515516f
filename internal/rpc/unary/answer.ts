/** The answer to a unary call, as any HTTP can send it. */

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
  readonly body: Buffer;
  /** HTTP/2 only. */
  readonly trailers?: AnswerHeaders;
}

/** All headers of the answer, for an HTTP that prepares no heads. */
export function wholeHeaders({ headers, plain, body }: Answer): AnswerHeaders {
  return plain?.isSized === true ? { ...headers, 'content-length': String(body.length) } : headers;
}

export const OK_TRAILERS: AnswerHeaders = { 'grpc-status': '0' };
