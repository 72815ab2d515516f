/** Keys of the configuration that a running process changes. */

export interface Setting {
  /** `section.key`, as in a file. */
  readonly key: string;
  /** In the spelling of a file. */
  readonly value: string;
  /**
   * Where it was set: a place in the file, a variable, `--set` or `SetConfig`; `default`: nowhere;
   * `the log of the group`: there, for all members.
   */
  readonly origin: string;
}

export interface SettingsPort {
  /** Every key that can be changed, always in the same order. */
  list(): readonly Setting[];
  /**
   * Changes all of `changes`, values by key, or nothing, and gives what `list` does then. Throws `invalid_argument` for what no file could say, `failed_precondition` for a
   * key that needs a restart, `not_master` for one of the group at another node than its leader.
   */
  change(changes: ReadonlyMap<string, string>): Promise<readonly Setting[]>;
}
