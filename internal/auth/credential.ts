/** The `authorization` header of a request. Pure. */
import { asBuffer } from '#platform/bytes.ts';

export type Credential =
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'basic'; readonly name: string; readonly secret: string };

/** Longer ones are refused unread. */
const AUTHORIZATION_CHARACTERS_MAX = 4_096;

const BEARER = /^bearer +([A-Za-z0-9._~+/=-]+)$/i;
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;
const strict = new TextDecoder('utf-8', { fatal: true });

/** Undefined where it is neither Bearer nor Basic, or ill-formed. */
export function parseAuthorization(text: string): Credential | undefined {
  if (text.length > AUTHORIZATION_CHARACTERS_MAX) return undefined;
  const bearer = BEARER.exec(text)?.[1];
  if (bearer !== undefined) return { kind: 'bearer', secret: bearer };
  const basic = BASIC.exec(text)?.[1];
  if (basic === undefined) return undefined;
  const pair = tryUtf8(Buffer.from(basic, 'base64'));
  const colon = pair?.indexOf(':') ?? -1;
  if (pair === undefined || colon < 0) return undefined;
  return { kind: 'basic', name: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}

function tryUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(asBuffer(bytes));
  } catch {
    return undefined;
  }
}

/** True if both are equal; takes the same time wherever texts of one length differ. */
export function isEqualText(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return difference === 0;
}
