/** How the bare server of the suite `mixed` tells calls apart, and what it answers each with. */

export interface MixedAnswer {
  /** By `askedOf`. */
  readonly asked: string;
  /** The answer's content type. */
  readonly type: string;
  readonly base64: string;
}

/** Different calls to one path differ in the length of their bodies. */
export function askedOf(
  method = '',
  path = '',
  headers: Readonly<Record<string, string | string[] | undefined>> = {},
): string {
  return `${method} ${path} ${headers['content-type'] ?? ''} ${headers['content-length'] ?? 0}`;
}
