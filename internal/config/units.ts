/** Units for bounds and defaults: bytes and milliseconds. */

export const KB = 1_000;
export const MB = 1_000 * KB;
export const KIB = 1_024;
export const MIB = 1_024 * KIB;
export const SECOND = 1_000;
export const HOUR = 3_600 * SECOND;
export const DAY = 24 * HOUR;
