/**
 * One header field, judged once: what RFC 9113 (8.2, 8.3) says about a name and
 * value does not depend on where they stand, so a field of a table carries its
 * kind with it. Names and values are latin-1 strings: one character an octet.
 */

/** What a field is to a head. Those from MALFORMED up make a head malformed. */
export const FieldKind = {
  regular: 0,
  method: 1,
  scheme: 2,
  authority: 3,
  path: 4,
  status: 5,
  host: 6,
  contentLength: 7,
  malformed: 8,
} as const;

/** What RFC 7541 (4.1) adds to the octets of name and value. */
const OVERHEAD_BYTES = 32;

export class Field {
  readonly name: string;
  readonly value: string;
  /** In octets, as RFC 7541 counts it: name + value + 32. */
  readonly size: number;
  readonly kind: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + OVERHEAD_BYTES;
    this.kind = judge(name, value);
  }
}

const KINDS = new Map<string, number>([
  [':method', FieldKind.method],
  [':scheme', FieldKind.scheme],
  [':authority', FieldKind.authority],
  [':path', FieldKind.path],
  [':status', FieldKind.status],
  ['host', FieldKind.host],
  ['content-length', FieldKind.contentLength],
  // Fields of a connection (8.2.2), which HTTP/2 does not have.
  ['connection', FieldKind.malformed],
  ['proxy-connection', FieldKind.malformed],
  ['keep-alive', FieldKind.malformed],
  ['transfer-encoding', FieldKind.malformed],
  ['upgrade', FieldKind.malformed],
]);

function judge(name: string, value: string): number {
  const kind = KINDS.get(name);
  if (kind === undefined) {
    if (!isLowerToken(name) || !isFieldValue(value)) return FieldKind.malformed;
    return name === 'te' && value !== 'trailers' ? FieldKind.malformed : FieldKind.regular;
  }
  return hasFittingValue(kind, value) ? kind : FieldKind.malformed;
}

function hasFittingValue(kind: number, value: string): boolean {
  switch (kind) {
    case FieldKind.method:
      return isToken(value);
    case FieldKind.scheme:
      return /^[a-zA-Z][a-zA-Z0-9+.-]*$/.test(value);
    case FieldKind.path:
      // Octets above ASCII do not belong there; the server of the path can say what to write instead.
      return isEach(value, IN_PATH) && (value.charCodeAt(0) === 0x2f || value === '*');
    case FieldKind.authority:
    case FieldKind.host:
      return value === '' || isVisible(value);
    case FieldKind.status:
      return /^[1-9][0-9][0-9]$/.test(value);
    case FieldKind.contentLength:
      // Fifteen digits are exact in a number, and more than any body has.
      return /^[0-9]{1,15}$/.test(value);
    default:
      return false;
  }
}

const TOKEN = 1;
const LOWER_TOKEN = 2;
const VISIBLE = 4;
const IN_VALUE = 8;
const IN_PATH = 16;
const CLASSES = classify();

function classify(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    const isTchar = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]$/.test(String.fromCharCode(code));
    const isUpper = code >= 0x41 && code <= 0x5a;
    let bits = isTchar ? TOKEN : 0;
    if (isTchar && !isUpper) bits |= LOWER_TOKEN;
    if (code > 0x20 && code < 0x7f) bits |= VISIBLE;
    if (code > 0x20 && code !== 0x7f) bits |= IN_PATH;
    if (code === 0x09 || (code >= 0x20 && code !== 0x7f)) bits |= IN_VALUE;
    classes[code] = bits;
  }
  return classes;
}

function isEach(text: string, bit: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (((CLASSES[text.charCodeAt(i)] as number) & bit) === 0) return false;
  }
  return true;
}

const isToken = (text: string): boolean => text.length > 0 && isEach(text, TOKEN);
const isLowerToken = (text: string): boolean => text.length > 0 && isEach(text, LOWER_TOKEN);
const isVisible = (text: string): boolean => text.length > 0 && isEach(text, VISIBLE);

/** Without control characters, and without blanks at either end (8.2.1). */
function isFieldValue(value: string): boolean {
  return value === '' || (isEach(value, IN_VALUE) && !isBlank(value, 0) && !isBlank(value, value.length - 1));
}

function isBlank(value: string, at: number): boolean {
  const code = value.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}
