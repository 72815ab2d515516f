/**
 * The level of the formats that a program reads and writes (ADR 14): of log
 * records, snapshots and MANIFEST together. 0: those of release 0.1.0, which
 * states none. 1: version 2 of DATA, CONFIG and snapshots too.
 */
export const FORMAT_LEVEL = 1;
