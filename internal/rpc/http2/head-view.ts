/** A decoded head as the rest of the edge knows headers: as Node gives them. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Head } from '#http/hpack/head.ts';
import { HeaderBag } from '#rpc/header-bag.ts';

/** Values of one name are joined; `set-cookie` is a list. `:authority` is from `host` where there is no other. */
export function headersOf(head: Head): IncomingHttpHeaders {
  const headers = new HeaderBag();
  headers[':method'] = head.method;
  if (head.path !== '') headers[':path'] = head.path;
  if (head.scheme !== '') headers[':scheme'] = head.scheme;
  if (head.authority !== '') headers[':authority'] = head.authority;
  for (const { name, value } of head.fields) {
    const before = headers[name];
    if (before === undefined) headers[name] = name === 'set-cookie' ? [value] : value;
    else if (Array.isArray(before)) before.push(value);
    else headers[name] = `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return headers as IncomingHttpHeaders;
}
