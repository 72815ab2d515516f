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
  /** The exchange may add to them, unless the answer is plain. */
  readonly headers: AnswerHeaders;
  /** Says the same as status and headers, where nothing special is in them. */
  readonly plain?: PlainHead | undefined;
  readonly body: Buffer;
  /** HTTP/2 only. */
  readonly trailers?: AnswerHeaders;
}

export const OK_TRAILERS: AnswerHeaders = { 'grpc-status': '0' };
