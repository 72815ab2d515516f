/** Everything that is wrong with a configuration, at once: exit code 2. */

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** One line each: `file:line:column key: what was expected`. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
