/** The query of a Connect GET, as far as Connect itself reads it with less care than a key deserves. Pure. */
import { base64Decode } from '@bufbuild/protobuf/wire';

export interface GetQuery {
  readonly parameters: URLSearchParams;
  readonly message: Uint8Array;
}

/**
 * Reads a query, or says in words what is wrong with it. URLSearchParams alone would make U+FFFD
 * of bytes that are no UTF-8, so that different keys become one, and leave escapes that are none
 * as they are.
 */
export function readGetQuery(query: string): GetQuery | string {
  if (query.includes('%') && !isWellEscaped(query))
    return 'the query has a bad escape: expected %XX with UTF-8 bytes, such as %C3%BC for ü; other bytes go in base64, with base64=1';
  const parameters = new URLSearchParams(query);
  const text = parameters.get('message') ?? '';
  if (parameters.get('base64') !== '1') return { parameters, message: Buffer.from(text, 'utf8') };
  try {
    return { parameters, message: base64Decode(text) };
  } catch {
    return 'message is no base64, although base64=1 says so: expected letters, digits, - and _';
  }
}

/** Says what is wrong with a query; undefined: nothing. An encoding that is none is for connect-node to refuse. */
export function whyUnreadable(query: string): string | undefined {
  const read = readGetQuery(query);
  if (typeof read === 'string') return read;
  if (read.parameters.has('encoding')) return undefined;
  return 'the query has no encoding: expected ?connect=v1&encoding=json&message=…, or encoding=proto&base64=1&message=…';
}

function isWellEscaped(query: string): boolean {
  try {
    decodeURIComponent(query);
    return true;
  } catch {
    return false;
  }
}
