/** `walnut auth`: makes tokens, hashes and a first file of users. Works on files only, and calls no node. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { hashOfToken, hashPassword, newToken } from '#auth/secret-hash.ts';
import type { File, FileSystem } from '#platform/file-system.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { writeFully } from '#wal/whole-files.ts';
import { parsePath } from '../arguments.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { readAtMost } from '../read-input.ts';
import { runCheck } from './check-file.ts';

/** Shorter passwords are guessed. */
const PASSWORD_CHARACTERS_MIN = 12;
const PASSWORD_BYTES_MAX = 1_024;

/** The users of a new file, and the roles of each. */
const FIRST_USERS = [
  ['operator', ['operator', 'reader', 'writer']],
  ['replica', ['replica']],
  ['metrics', ['metrics']],
] as const;

export function addAuthCommand(program: Command, host: CommandHost): void {
  const auth = program
    .command('auth')
    .summary('make tokens, password hashes and a file of users')
    .description('Makes what a node needs to know its callers. Works on files here, and calls no node.');
  auth
    .command('init')
    .summary('write a first file of users, and their tokens')
    .description(
      'Writes DIRECTORY/auth.yaml with an operator, the replicas and a reader of metrics, and the token of ' +
        'each in a file beside it. Nothing that is there is replaced. Give every node auth.yaml (auth.file) and ' +
        'replica.token (peer.token_file); keep operator.token to yourself.',
    )
    .argument('<directory>', 'where to write; made if it is not there', parsePath)
    .addHelpText('after', '\nExamples:\n  walnut auth init /etc/walnut')
    .action(host.offline(runInit));
  auth
    .command('check')
    .summary('check a file of users before nodes get it')
    .description(
      'Reads a file as a node reads auth.file: its permissions, users and roles. Lists the users, or everything ' +
        'that is wrong, with exit code 1; a file that cannot be read ends it with 6.',
    )
    .argument('<file>', 'the file', parsePath)
    .addHelpText('after', '\nExamples:\n  walnut auth check /etc/walnut/auth.yaml')
    .action(host.offline(runCheck));
  auth
    .command('new-token')
    .summary('make a token and its hash')
    .description(
      'Prints a token of 256 random bits and its hash. The hash goes into the tokens of a user in auth.file; ' +
        'the token goes to the user, and is stored nowhere.',
    )
    .addHelpText('after', '\nExamples:\n  walnut auth new-token\n  walnut auth new-token --json')
    .action(host.offline(runNewToken));
  auth
    .command('hash-password')
    .summary('hash a password from standard input')
    .description(
      'Reads a password from standard input, a newline at its end aside, and prints its hash for the tokens ' +
        'of a user in auth.file. Prefer new-token where a program calls.',
    )
    .addHelpText('after', '\nExamples:\n  walnut auth hash-password <password.txt')
    .action(host.offline(runHashPassword));
}

async function runNewToken(invocation: Invocation): Promise<ExitCode> {
  const token = newToken(createNodeRandom());
  const hash = hashOfToken(token);
  await show(
    invocation,
    () => ({ token, hash }),
    () => `${token}\n${hash}\n`,
  );
  return EXIT.ok;
}

async function runHashPassword(invocation: Invocation): Promise<ExitCode> {
  const bytes = await readAtMost(invocation.io.stdin, PASSWORD_BYTES_MAX, 'stdin', 'a password');
  const password = bytes.toString('utf8').replace(/\r?\n$/, '');
  if ([...password].length < PASSWORD_CHARACTERS_MIN)
    throw usageError(`the password is too short: expected at least ${PASSWORD_CHARACTERS_MIN} characters`);
  const hash = await hashPassword(password, createNodeRandom());
  await show(
    invocation,
    () => ({ hash }),
    () => `${hash}\n`,
  );
  return EXIT.ok;
}

async function runInit(invocation: Invocation): Promise<ExitCode> {
  const directory = resolve(invocation.args[0] ?? '.');
  const random = createNodeRandom();
  const users = FIRST_USERS.map(([name, roles]) => ({ name, roles, token: newToken(random) }));
  const files: [string, string][] = users.map(({ name, token }) => [`${name}.token`, `${token}\n`]);
  files.push(['auth.yaml', authFile(users)]);
  const fileSystem = createNodeFileSystem();
  await fileSystem.makeDirectory(directory);
  const paths = files.map(([name]) => `${directory}/${name}`);
  for (const path of paths) {
    if ((await fileSystem.stat(path)) === undefined) continue;
    throw new CliError(
      EXIT.usage,
      `${path} is there already`,
      'Nothing was written: name another directory.',
    );
  }
  for (const [name, text] of files) await writeNew(fileSystem, `${directory}/${name}`, text);
  await fileSystem.syncDirectory(directory);
  await show(
    invocation,
    () => ({ files: paths }),
    () => paths.map((path) => `${path}\n`).join(''),
  );
  return EXIT.ok;
}

function authFile(users: readonly { name: string; roles: readonly string[]; token: string }[]): string {
  const lines = users.map(
    ({ name, roles, token }) =>
      `  - name: ${name}\n    roles: [${roles.join(', ')}]\n    tokens:\n      - ${hashOfToken(token)}\n`,
  );
  return `${HEADER}users:\n${lines.join('')}`;
}

const HEADER = `# Who may call the nodes of this group: the file of auth.file, the same on each of them.
# Nodes read it again within a second. docs/security.md says what roles may do.
#
# roles:
#   - name: billing
#     grants:
#       - access: [read, write]
#         prefixes: ["billing:"]
`;

/** Only the owner may read it. Fails where the path is taken. */
async function writeNew(fileSystem: FileSystem, path: string, text: string): Promise<void> {
  const file: File = await fileSystem.open(path, 'create');
  try {
    await writeFully(file, Buffer.from(text), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
