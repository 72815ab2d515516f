/** A script of package.json that runs several processes on this machine. Pure. */
export interface LocalScript {
  /** Its name in package.json. */
  readonly script: string;
  /** What to type. */
  readonly command: string;
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
export function startCommand({ command }: LocalScript, firstPort: number | undefined): string {
  return firstPort === undefined ? command : `${command} -- --port ${firstPort}`;
}
