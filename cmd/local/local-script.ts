/** A script of package.json that runs several processes on this machine. Pure. */
export interface LocalScript {
  /** Its name in package.json. */
  readonly script: string;
  /** What to type. */
  readonly command: string;
  /** An argument that this run has, such as `--etcd`. */
  readonly argument?: string;
  /** Options of the script, without dashes: npm takes them for itself where `--` is forgotten. */
  readonly options: readonly string[];
  /** How many ports it takes, one after the other. */
  readonly portCount: number;
  /** The first port of examples. */
  readonly portExample: number;
  /** What it runs, as a message calls it: `the group`. */
  readonly what: string;
  /** Where the data and the logs are, from the working directory. */
  readonly place: string;
  /** The text of `--help`. */
  readonly usage: string;
}

/** What to type to start it on the same ports again. `firstPort`: the value of `--port`, if it was given. */
export function startCommand({ command, argument }: LocalScript, firstPort: number | undefined): string {
  const port = firstPort === undefined ? undefined : `--port ${firstPort}`;
  const given = [argument, port].filter((each) => each !== undefined);
  return [command, ...(given.length === 0 ? [] : ['--']), ...given].join(' ');
}
