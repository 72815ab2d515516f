/**
 * One whole head, from its first octet to the empty line, by the strict grammar of
 * RFC 9112 and for what clients send. Nothing is guessed: what two readers could
 * take for different requests is refused, and what is rare is handed over.
 */
import { type CallValue, type Handover, Http1Head, handover, type Refusal, refused } from './head1.ts';
import { CALL_FIELDS, FRAGMENT_IN_TARGET, isKnownCoding, isLength, UNKNOWN_CODING } from './request-rules.ts';

/** Others are legal, too, and rare. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE']);
const VERSION = ' HTTP/1.1';
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const FRAGMENT = 0x23;

const TOKEN = 1;
const IN_TARGET = 2;
const IN_VALUE = 4;
const CLASSES = classify();

function classify(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let code = 0; code < 256; code++) {
    let bits = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]$/.test(String.fromCharCode(code)) ? TOKEN : 0;
    if (code > 0x20 && code < 0x7f && code !== FRAGMENT) bits |= IN_TARGET;
    if (code === TAB || (code >= 0x20 && code !== 0x7f)) bits |= IN_VALUE;
    classes[code] = bits;
  }
  return classes;
}

/**
 * `bytes[from, to)` ends with the empty line, and has no CR without LF after it and
 * no LF without CR before it: `RequestReader` saw to that.
 */
export function parseHead(bytes: Buffer, from: number, to: number): Http1Head | Handover | Refusal {
  const lineEnd = bytes.indexOf(CR, from);
  const line = bytes.toString('latin1', from, lineEnd);
  const methodEnd = line.indexOf(' ');
  const method = line.slice(0, Math.max(0, methodEnd));
  if (!METHODS.has(method)) return handover('a method that is rare, or none');
  if (!line.endsWith(VERSION)) return handover('a version other than HTTP/1.1');
  const targetEnd = line.length - VERSION.length;
  if (targetEnd <= methodEnd + 1) return refused('the request line has no target');
  const target = line.slice(methodEnd + 1, targetEnd);
  for (let i = 0; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f) return refused('the target has blanks or control characters');
    if (code === FRAGMENT) return refused(FRAGMENT_IN_TARGET);
    if (((CLASSES[code] as number) & IN_TARGET) === 0) return handover('octets that no target has');
  }
  if (!target.startsWith('/')) return handover('a target that is no path');
  return new Fields(from).parse(method, target, bytes, lineEnd + 2, to - 2);
}

/** The fields of one head. */
class Fields {
  /** The offset at which the head begins. */
  readonly #head: number;
  readonly #list: string[] = [];
  readonly #callValues: CallValue[] = [];
  #hosts = 0;
  #length: number | undefined;
  #isLast = false;
  /** The codings of all Transfer-Encoding fields together. */
  #coding: string | undefined;
  /** Why Node's parser should read it, where that is so. */
  #rare: string | undefined;

  constructor(head: number) {
    this.#head = head;
  }

  /** `bytes[from, to)`: whole lines. */
  parse(
    method: string,
    target: string,
    bytes: Buffer,
    from: number,
    to: number,
  ): Http1Head | Handover | Refusal {
    for (let at = from; at < to; ) {
      const end = bytes.indexOf(CR, at);
      const why = this.#parseLine(bytes, at, end);
      if (why !== undefined) return refused(why);
      at = end + 2;
    }
    if (this.#coding !== undefined && this.#length !== undefined) {
      return refused('both Content-Length and Transfer-Encoding, which may differ about where the body ends');
    }
    if (this.#hosts === 0) return refused('the Host header is missing: HTTP/1.1 requires it');
    if (this.#hosts > 1) return refused('there is more than one Host header: expected one');
    if (this.#coding !== undefined && !isKnownCoding(this.#coding)) return refused(UNKNOWN_CODING, 501);
    if (this.#rare !== undefined) return handover(this.#rare);
    return new Http1Head(method, target, this.#list, this.#length ?? 0, this.#isLast, this.#callValues);
  }

  #parseLine(bytes: Buffer, from: number, to: number): string | undefined {
    let colon = from;
    while (colon < to && ((CLASSES[bytes[colon] as number] as number) & TOKEN) !== 0) colon++;
    if (colon === from) return 'a field without a name, or one that goes on from the line before';
    if (colon === to || bytes[colon] !== COLON) return 'a field name with characters that names do not have';
    let start = colon + 1;
    let end = to;
    while (start < end && isBlank(bytes[start])) start++;
    while (end > start && isBlank(bytes[end - 1])) end--;
    for (let i = start; i < end; i++) {
      if (((CLASSES[bytes[i] as number] as number) & IN_VALUE) === 0)
        return 'a field value with control characters';
    }
    const name = bytes.toString('latin1', from, colon).toLowerCase();
    const value = bytes.toString('latin1', start, end);
    this.#list.push(name, value);
    if (CALL_FIELDS.has(name)) {
      const at = this.#list.length - 1;
      this.#callValues.push({ at, from: start - this.#head, to: end - this.#head });
    }
    return this.#note(name, value);
  }

  #note(name: string, value: string): string | undefined {
    switch (name) {
      case 'host':
        this.#hosts++;
        return undefined;
      case 'content-length':
        if (this.#length !== undefined) return 'more than one Content-Length';
        if (!isLength(value)) return 'a Content-Length that is no number';
        this.#length = Number(value);
        return undefined;
      case 'transfer-encoding':
        this.#coding = this.#coding === undefined ? value : `${this.#coding}, ${value}`;
        this.#rare = 'a body that is coded';
        return undefined;
      case 'connection':
        return this.#noteConnection(value.toLowerCase());
      case 'expect':
      case 'upgrade':
      case 'trailer':
        this.#rare = `the field ${name}`;
        return undefined;
      default:
        return undefined;
    }
  }

  #noteConnection(value: string): undefined {
    if (value === 'close') this.#isLast = true;
    else if (value !== 'keep-alive') this.#rare = 'a Connection other than close or keep-alive';
  }
}

function isBlank(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB;
}
