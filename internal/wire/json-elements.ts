/**
 * Finds the elements of the lists of messages that a message in JSON contains at its top
 * level, so that each can be decoded by itself: the operations of a Batch, for example.
 */
import { invalidArgument } from '#model/errors.ts';
import {
  CLOSE_LIST,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_LIST,
  OPEN_OBJECT,
  type SignWatch,
} from '#wire/json-scan.ts';

/** A part of the JSON, and which of the texts of bytes fields are in it. */
export interface JsonRange {
  readonly from: number;
  readonly to: number;
  readonly textsFrom: number;
  readonly textsTo: number;
}

export interface ListRange extends JsonRange {
  readonly name: string;
  readonly elements: readonly JsonRange[];
}

/** Most objects, lists and members in one element; an operation with every field has 40. */
const ELEMENT_FIELDS_MAX = 256;
/** Most of them outside of all elements. The most that a request needs are the addresses of a group. */
const OUTER_FIELDS_MAX = 4_096;
/** Depth of the members of the message, and of the elements of a list among them. */
const MEMBER_DEPTH = 1;
const ELEMENT_DEPTH = 2;

export class ListWatch implements SignWatch {
  readonly #bytes: Buffer;
  readonly #names: ReadonlySet<string>;
  readonly lists: ListRange[] = [];
  /** The name of the member whose value follows. */
  #name = '';
  /** The list that is being read. */
  #list: { readonly name: string; readonly from: number; readonly textsFrom: number } | undefined;
  #elements: JsonRange[] = [];
  #from = 0;
  #textsFrom = 0;
  /** Fields of the element that is being read, and outside of all elements. */
  #fields = 0;
  #outerFields = 0;

  /** `names`: of the members to look for. */
  constructor(bytes: Buffer, names: ReadonlySet<string>) {
    this.#bytes = bytes;
    this.#names = names;
  }

  sign(byte: number, at: number, depth: number, texts: number, name: string): void {
    if (this.#list !== undefined) {
      this.#within(byte, at, depth, texts);
      return;
    }
    if (byte === COMMA || byte === OPEN_OBJECT || byte === OPEN_LIST) this.#countOuter();
    if (depth === MEMBER_DEPTH && byte === COLON) this.#name = name;
    else if (depth === MEMBER_DEPTH && byte === OPEN_LIST && this.#names.has(this.#name)) {
      this.#list = { name: this.#name, from: at + 1, textsFrom: texts };
      this.#elements = [];
      this.#begin(at + 1, texts);
    } else this.#name = '';
  }

  #within(byte: number, at: number, depth: number, texts: number): void {
    const isEnd = byte === CLOSE_LIST || byte === CLOSE_OBJECT;
    if (depth === ELEMENT_DEPTH && (isEnd || byte === COMMA)) this.#end(at, texts, isEnd);
    else if (byte === COMMA || byte === OPEN_OBJECT || byte === OPEN_LIST) this.#count();
  }

  #begin(from: number, texts: number): void {
    this.#from = from;
    this.#textsFrom = texts;
    this.#fields = 0;
  }

  #end(to: number, texts: number, isLast: boolean): void {
    const elements = this.#elements;
    const isEmpty = isLast && elements.length === 0 && this.#isBlank(to);
    if (!isEmpty) elements.push({ from: this.#from, to, textsFrom: this.#textsFrom, textsTo: texts });
    this.#begin(to + 1, texts);
    if (!isLast || this.#list === undefined) return;
    this.lists.push({ ...this.#list, to, textsTo: texts, elements });
    this.#list = undefined;
    this.#name = '';
  }

  #isBlank(to: number): boolean {
    return this.#bytes.toString('latin1', this.#from, to).trim() === '';
  }

  #count(): void {
    if (++this.#fields > ELEMENT_FIELDS_MAX) {
      throw invalidArgument(
        `an element of a list has more than ${ELEMENT_FIELDS_MAX} fields: no operation or change has`,
      );
    }
  }

  #countOuter(): void {
    if (++this.#outerFields > OUTER_FIELDS_MAX) {
      throw invalidArgument(`the message has more than ${OUTER_FIELDS_MAX} fields outside of its operations`);
    }
  }
}
