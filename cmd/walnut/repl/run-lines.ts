/**
 * Commands on stdin, one a line. A command that answers no (exit 1) does not end the run; any
 * other failure does. The exit code is that of the first command that did not exit with 0.
 */
import { type CliError, EXIT, type ExitCode } from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { usageError } from '../command-host.ts';
import { type Shell, withoutStdin } from './shell.ts';
import { parseShellLine } from './shell-line.ts';

const NEWLINE = 0x0a;
const LINE_BYTES_MAX = 16 * 1_024 * 1_024;

export async function runLines(shell: Shell): Promise<ExitCode> {
  const { io } = shell.invocation;
  let number = 0;
  let commands = 0;
  let first: ExitCode = EXIT.ok;
  const answers = new SeparateAnswers(shell.io);
  for await (const text of linesOf(io.stdin)) {
    if (io.interrupted.aborted) return EXIT.interrupted;
    shell.session.place = `line ${++number}: `;
    const line = parseShellLine(text);
    if (line.kind === 'nothing') continue;
    commands++;
    await answers.begin();
    const code =
      line.kind === 'command'
        ? await shell.run([...shell.base, ...line.args], withoutStdin(answers.io), shell.session)
        : reportAt(
            shell,
            usageError(line.kind === 'bad' ? line.problem : `\\${line.name} is for a terminal`),
          );
    if (first === EXIT.ok) first = code;
    if (code !== EXIT.ok && code !== EXIT.negative) return first;
  }
  if (commands === 0)
    throw usageError('a command is missing', 'See: walnut --help. On a terminal it is a shell.');
  return first;
}

/** Ends an answer with a newline before the next, as a value has none of its own. The last stays as it is. */
class SeparateAnswers {
  readonly io: CliIo;
  readonly #write: CliIo['write'];
  #isOpen = false;

  constructor(io: CliIo) {
    this.#write = io.write;
    this.io = {
      ...io,
      write: (chunk) => {
        const last = chunk.at(-1);
        // An empty value is an answer, too; an empty text is none.
        if (last !== undefined || typeof chunk !== 'string') this.#isOpen = last !== '\n' && last !== NEWLINE;
        return io.write(chunk);
      },
    };
  }

  async begin(): Promise<void> {
    if (this.#isOpen) await this.#write('\n');
    this.#isOpen = false;
  }
}

function reportAt({ session, report }: Shell, error: CliError): ExitCode {
  const { exitCode, message, advice } = error;
  return report(Object.assign(usageError(`${session.place}${message}`, advice), { exitCode }));
}

/** The lines of UTF-8 bytes; throws `CliError` for a line that is too long or is none. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const take = (): string => {
    const line = Buffer.concat(parts);
    parts = [];
    bytes = 0;
    try {
      return decoder.decode(line).replace(/\r$/, '');
    } catch {
      throw usageError('stdin has a line that is not UTF-8', 'Other bytes are read by: set KEY --file PATH');
    }
  };
  for await (const chunk of input) {
    for (let at = 0; at < chunk.length; ) {
      const found = chunk.indexOf(NEWLINE, at);
      const end = found < 0 ? chunk.length : found;
      parts.push(chunk.subarray(at, end));
      bytes += end - at;
      if (bytes > LINE_BYTES_MAX) throw usageError(`stdin has a line of more than ${LINE_BYTES_MAX} bytes`);
      if (found >= 0) yield take();
      at = end + 1;
    }
  }
  if (bytes > 0) yield take();
}
