/** The static table of RFC 7541, appendix A, at indices 1 to 61. */
import { Field } from './field.ts';

const ENTRIES = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

/** Index 0 names nothing; a decoder refuses it. */
export const STATIC_TABLE: readonly Field[] = [
  new Field('', ''),
  ...ENTRIES.split('\n').map((line) => {
    const space = line.indexOf(' ');
    return space < 0 ? new Field(line, '') : new Field(line.slice(0, space), line.slice(space + 1));
  }),
];

export const STATIC_LENGTH = 61;

/** The first index of a name, and the index of name, NUL and value. */
export const STATIC_INDEX: ReadonlyMap<string, number> = indexStatic();

function indexStatic(): Map<string, number> {
  const index = new Map<string, number>();
  for (let i = STATIC_LENGTH; i >= 1; i--) {
    const { name, value } = STATIC_TABLE[i] as Field;
    index.set(name, i);
    index.set(`${name}\0${value}`, i);
  }
  return index;
}
