/** The directories in which the tool keeps files of its user: https://specifications.freedesktop.org/basedir-spec. Pure. */
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** `config`: what the user set; `state`: what the tool remembers. */
export type Purpose = 'config' | 'state';

const VARIABLES = {
  config: { name: 'XDG_CONFIG_HOME', below: ['.config'] },
  state: { name: 'XDG_STATE_HOME', below: ['.local', 'state'] },
} as const;

/** Undefined where the environment names no home. A relative path counts as none, as the specification says. */
export function userDirectory(env: Environment, purpose: Purpose): string | undefined {
  const { name, below } = VARIABLES[purpose];
  const named = env[name] ?? '';
  if (isAbsolute(named)) return join(named, 'walnut');
  const home = env['HOME'] ?? '';
  return isAbsolute(home) ? join(home, ...below, 'walnut') : undefined;
}
