/**
 * Exit codes of all binaries that run until they are stopped. The command line tool has its
 * own in `cmd/walnut/cli-error.ts`.
 */
export const EXIT_CODES = {
  clean: 0,
  /** Anything that has no code of its own. */
  other: 1,
  /** Configuration or flags. */
  config: 2,
  /** The data directory cannot be used. */
  directory: 3,
  /** Storage failed while running. */
  storage: 4,
} as const;
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];
