/** The head of a request of HTTP/1.1 (RFC 9112), as far as the reader takes it; it never changes. */

/** The value of a field that belongs to one call: see `CALL_FIELDS`. */
export interface CallValue {
  /** `fields[at]` is the value. */
  readonly at: number;
  /** Octets `[from, to)` of the head, without the blanks about the value. */
  readonly from: number;
  readonly to: number;
}

export class Http1Head {
  readonly method: string;
  /** Origin-form: a path, and perhaps a query. */
  readonly target: string;
  /** Names in lower case and values in turn, in order; one latin-1 character an octet. */
  readonly fields: readonly string[];
  /** Octets of the body that follows; 0 where there is none. */
  readonly contentLength: number;
  /** The peer sends no further request. */
  readonly isLast: boolean;
  /** In order. */
  readonly callValues: readonly CallValue[];
  /** What the server of the request derived from the head, which is the same for equal heads. The reader never looks at it. */
  derived: unknown = undefined;
  /**
   * What was derived from the head before, which differs from this one in the values of
   * `CALL_FIELDS` alone; undefined where there was no such head.
   */
  derivedBefore: unknown;

  constructor(
    method: string,
    target: string,
    fields: readonly string[],
    contentLength: number,
    isLast: boolean,
    callValues: readonly CallValue[],
    derivedBefore: unknown = undefined,
  ) {
    this.method = method;
    this.target = target;
    this.fields = fields;
    this.contentLength = contentLength;
    this.isLast = isLast;
    this.callValues = callValues;
    this.derivedBefore = derivedBefore;
  }
}

/** Legal, and more than the reader does: the connection is Node's from this request's first byte on. */
export interface Handover {
  readonly kind: 'handover';
  readonly why: string;
}

/** 400: illegal or ambiguous; 431: too large; 501: a transfer coding that is not known. */
export type RefusedStatus = 400 | 431 | 501;

/** Not to be served: answered with `status`, and the connection ends. */
export interface Refusal {
  readonly kind: 'refused';
  readonly status: RefusedStatus;
  readonly why: string;
}

export const handover = (why: string): Handover => ({ kind: 'handover', why });
export const refused = (why: string, status: RefusedStatus = 400): Refusal => ({
  kind: 'refused',
  status,
  why,
});
