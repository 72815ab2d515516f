/** An error of a plain HTTP route that no code of the model tells: its status is HTTP's own. */
import type { WireCode } from '#wire/error-codes.ts';

export class HttpRefusal extends Error {
  readonly nothingDone = true;
  readonly httpStatus: number;
  readonly code: WireCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    httpStatus: number,
    code: WireCode,
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.httpStatus = httpStatus;
    this.code = code;
    this.headers = headers;
  }
}
