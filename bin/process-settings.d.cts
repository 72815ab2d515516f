/** One of the flags of nodes, which V8 also takes while a process runs. */
export const YOUNG_AT_FIRST: string;
/** The flags of Node for an entry such as `cmd/master.ts` that is started with `args`. */
export function v8Flags(entry: string, args: readonly string[]): string[];
/** What its environment must have besides. */
export function processEnvironment(entry: string): Record<string, string>;
