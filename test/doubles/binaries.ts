/**
 * Which binaries a test starts. In a run of all tests these are built once, since most of what a test of
 * processes cost was their start from sources. A run of some files starts the sources, as users do. What is
 * tested of the start itself is started from the sources always.
 */
import { join } from 'node:path';
import { ROOT } from '#test/house/source-files.ts';

/** The checkout, or what is built of it in the same places. */
export const BINARIES = process.env['WALNUT_TEST_BINARIES_AT'] || ROOT;
export const LAUNCHER = join(BINARIES, 'bin', 'launch.cjs');
export const MASTER = join(BINARIES, 'cmd', 'master.ts');
export const TOOL = join(BINARIES, 'cmd', 'walnut.ts');
