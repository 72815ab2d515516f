/** What the bytes of a record's payload are, for those that write and those that read them: see README.md. */
import type { Cause } from '#model/entry.ts';

/** The first layout version of every payload. */
export const VERSION = 1;
/** The layout version of DATA that has touches, and blocks behind its mutations. */
export const VERSION_2 = 2;

/** By their numbers in a record. */
export const CAUSES: readonly Cause[] = ['client', 'expired', 'evicted', 'restored'];
export const OP_SET = 1;
export const OP_DELETE = 2;
/** In version 2 only. */
export const OP_TOUCH = 3;
/** The block of named writes, behind the mutations of version 2. */
export const BLOCK_NAMED_WRITES = 1;

/** op, cause, key length. */
export const MUTATION_HEADER_BYTES = 4;
/** value length, deadline. */
export const SET_HEADER_BYTES = 12;
export const OP_SET_WITH_FIELDS = 4;
/** value length, deadline, length of the fields. */
export const FIELDS_HEADER_BYTES = 14;
/** The deadline of a touch. */
export const TOUCH_HEADER_BYTES = 8;
/** version, count. */
export const DATA_HEADER_BYTES = 5;
