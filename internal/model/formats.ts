/**
 * The level of the formats that a program reads and writes (ADR 14): of log
 * records, snapshots and MANIFEST together. 0: those of release 0.1.0, which
 * states none. 1: version 2 of DATA, CONFIG and snapshots too.
 */
export const FORMAT_LEVEL = 1;

/**
 * The level of formats that MANIFEST format 2 allows in a data directory. A level above
 * it needs a step of its own, which is another format of MANIFEST: otherwise readers
 * of this level would be refused by every directory that has taken this step.
 */
export const STEP_LEVEL = 1;
