/** What a file of users says, for the operator who is about to give it to nodes. */
import { isUserList, parseUserList, type User } from '#auth/user-list.ts';
import { parseYaml } from '#config/yaml-source.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { readSecretFile } from '#platform/secret-file.ts';
import { CliError, EXIT, type ExitCode, isSystemError } from '../cli-error.ts';
import { type Invocation, show } from '../command-host.ts';
import { renderTable } from '../output/table.ts';

export async function runCheck(invocation: Invocation): Promise<ExitCode> {
  const path = invocation.args[0] ?? '';
  const users = parse(path, await read(path));
  const rows = users.map(({ name, roles, hashes, certificates }) => ({
    name,
    roles: [...roles],
    tokens: hashes.filter(({ kind }) => kind === 'token').length,
    passwords: hashes.filter(({ kind }) => kind === 'password').length,
    certificates: [...certificates],
  }));
  await show(
    invocation,
    () => ({ users: rows }),
    () =>
      renderTable(
        invocation.colors,
        ['USER', 'ROLES', 'TOKENS', 'PASSWORDS', 'CERTIFICATES'],
        rows.map(({ name, roles, tokens, passwords, certificates }) => [
          name,
          roles.join(' '),
          `${tokens}`,
          `${passwords}`,
          certificates.join(' '),
        ]),
      ),
  );
  return EXIT.ok;
}

async function read(path: string): Promise<string> {
  try {
    return await readSecretFile(createNodeFileSystem(), path);
  } catch (error) {
    const { message, cause } = error as Error;
    // The system's errors have codes; a refused file is an answer about the file.
    const isUnreadable = isSystemError(cause);
    throw new CliError(isUnreadable ? EXIT.inputOutput : EXIT.negative, message);
  }
}

/** Throws with everything that is wrong, a line each. */
function parse(path: string, text: string): readonly User[] {
  const { values, problems } = parseYaml(path, text);
  const parsed = problems.length > 0 ? problems : parseUserList(values);
  if (isUserList(parsed)) return parsed;
  throw new CliError(
    EXIT.negative,
    parsed.join('\n'),
    'A node that is given this file keeps the users it has.',
  );
}
