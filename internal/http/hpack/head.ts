/**
 * A decoded header section, judged by RFC 9113 (8.1 to 8.3) for the role it
 * plays: `HeadBuilder` takes fields in order and gives a `Head`, or says why
 * there is none. A head never changes once it is made, but for what its reader keeps with it.
 */
import { type Field, FieldKind } from './field.ts';

/** What a block is the head of. The same bytes can be right as one and wrong as another. */
export const HeadRole = { request: 0, response: 1, trailers: 2 } as const;

export interface HeadFault {
  /** `malformed`: by RFC 9113, 8.1.1. `too large`: over the limit of decoded bytes. */
  readonly kind: 'malformed' | 'too large';
  readonly why: string;
}

export class Head {
  readonly method: string;
  readonly scheme: string;
  /** From `:authority`, or from `host` where that is absent. Empty where neither is there. */
  readonly authority: string;
  /** Empty for CONNECT. */
  readonly path: string;
  /** 0 in a request and in trailers. */
  readonly status: number;
  /** -1 where the head does not say. */
  readonly contentLength: number;
  /** All but pseudo-fields, in order. */
  readonly fields: readonly Field[];
  /** What the server of the request derived from the head, which is the same for equal heads. The codec never reads it. */
  derived: unknown = undefined;

  constructor(builder: HeadBuilder) {
    this.method = builder.method;
    this.scheme = builder.scheme;
    this.authority = builder.authority ?? builder.host ?? '';
    this.path = builder.path ?? '';
    this.status = builder.status;
    this.contentLength = builder.contentLength;
    this.fields = builder.fields;
  }

  /** The value of a field; values of several are joined as RFC 9110 (5.3) says, cookies by `; `. */
  get(name: string): string | undefined {
    let value: string | undefined;
    for (const field of this.fields) {
      if (field.name !== name) continue;
      value = value === undefined ? field.value : `${value}${name === 'cookie' ? '; ' : ', '}${field.value}`;
    }
    return value;
  }
}

export class HeadBuilder {
  method = '';
  scheme = '';
  authority: string | undefined;
  host: string | undefined;
  path: string | undefined;
  status = 0;
  contentLength = -1;
  fields: Field[] = [];
  #role: number = HeadRole.request;
  #bytes = 0;
  #why: string | undefined;
  #bytesMax = 0;

  /** `bytesMax` counts decoded octets as RFC 7541 does: name + value + 32 for each field. */
  begin(role: number, bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.method = '';
    this.scheme = '';
    this.authority = undefined;
    this.host = undefined;
    this.path = undefined;
    this.status = 0;
    this.contentLength = -1;
    this.fields = [];
    this.#role = role;
    this.#bytes = 0;
    this.#why = undefined;
  }

  /** Keeps nothing more once the head is too large or malformed: the rest is decoded for the table only. */
  add(field: Field): void {
    this.#bytes += field.size;
    if (this.#bytes > this.#bytesMax || this.#why !== undefined) return;
    this.#why = field.name.charCodeAt(0) === 0x3a ? this.#addPseudo(field) : this.#addRegular(field);
  }

  finish(): Head | HeadFault {
    if (this.#bytes > this.#bytesMax) {
      return { kind: 'too large', why: `head of ${this.#bytes} bytes, at most ${this.#bytesMax} are taken` };
    }
    const why = this.#why ?? this.#judgeWhole();
    return why === undefined ? new Head(this) : { kind: 'malformed', why };
  }

  #addRegular(field: Field): string | undefined {
    switch (field.kind) {
      case FieldKind.regular:
        break;
      case FieldKind.host:
        if (this.host !== undefined) return 'two host fields';
        this.host = field.value;
        break;
      case FieldKind.contentLength: {
        const length = Number(field.value);
        if (this.contentLength >= 0 && this.contentLength !== length) return 'two lengths of content';
        if (this.#role === HeadRole.trailers) return 'length of content in trailers';
        this.contentLength = length;
        break;
      }
      default:
        return 'field that HTTP/2 forbids, or with characters that are not allowed';
    }
    this.fields.push(field);
    return undefined;
  }

  #addPseudo(field: Field): string | undefined {
    if (this.fields.length > 0) return 'pseudo-field after a field';
    const isResponse = this.#role === HeadRole.response;
    if (this.#role === HeadRole.trailers) return 'pseudo-field in trailers';
    if (isResponse !== (field.kind === FieldKind.status)) return 'pseudo-field that does not belong here';
    switch (field.kind) {
      case FieldKind.method:
        if (this.method !== '') return 'two methods';
        this.method = field.value;
        return undefined;
      case FieldKind.scheme:
        if (this.scheme !== '') return 'two schemes';
        this.scheme = field.value;
        return undefined;
      case FieldKind.authority:
        if (this.authority !== undefined) return 'two authorities';
        this.authority = field.value;
        return undefined;
      case FieldKind.path:
        if (this.path !== undefined) return 'two paths';
        this.path = field.value;
        return undefined;
      case FieldKind.status:
        if (this.status !== 0) return 'two statuses';
        this.status = Number(field.value);
        return undefined;
      default:
        return 'unknown or ill-formed pseudo-field';
    }
  }

  #judgeWhole(): string | undefined {
    if (this.#role === HeadRole.trailers) return undefined;
    if (this.#role === HeadRole.response) {
      if (this.status === 0) return 'no status';
      // 8.6: HTTP/2 has no switching of protocols.
      return this.status === 101 ? 'status 101' : undefined;
    }
    if (this.method === '') return 'no method';
    // 8.3.1; of the pieces of an authority, only their text is compared.
    if (this.host !== undefined && this.authority !== undefined) {
      if (this.host.toLowerCase() !== this.authority.toLowerCase()) return 'host other than :authority';
    }
    if (this.method === 'CONNECT') return this.#judgeConnect();
    if (this.scheme === '') return 'no scheme';
    if (this.path === undefined) return 'no path';
    return this.path === '*' && this.method !== 'OPTIONS' ? 'path * without OPTIONS' : undefined;
  }

  #judgeConnect(): string | undefined {
    if (this.scheme !== '' || this.path !== undefined) return 'CONNECT with a scheme or path';
    return this.authority === undefined || this.authority === '' ? 'CONNECT without an authority' : undefined;
  }
}
