/** The query of a Connect GET, as far as Connect itself reads it with less care than a key deserves. Pure. */
import { base64Decode } from '@bufbuild/protobuf/wire';

/**
 * Says what is wrong with it; undefined: nothing. URLSearchParams would make U+FFFD of bytes
 * that are no UTF-8, so that different keys become one, and leaves escapes that are none as
 * they are.
 */
export function whyUnreadable(query: string): string | undefined {
  if (query.includes('%') && !isWellEscaped(query))
    return 'the query has a bad escape: expected %XX with UTF-8 bytes, such as %C3%BC for ü; other bytes go in base64, with base64=1';
  const parameters = new URLSearchParams(query);
  if (parameters.get('base64') !== '1' || isBase64(parameters.get('message') ?? '')) return undefined;
  return 'message is no base64, although base64=1 says so: expected letters, digits, - and _';
}

function isWellEscaped(query: string): boolean {
  try {
    decodeURIComponent(query);
    return true;
  } catch {
    return false;
  }
}

function isBase64(text: string): boolean {
  try {
    base64Decode(text);
    return true;
  } catch {
    return false;
  }
}
