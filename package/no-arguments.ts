/** The arguments of scripts that have none of their own: `--help` says what they do. */

/** Ends the process where `argv` has an argument. `does`: what the script does, in a sentence. */
export function endAtArguments(script: string, does: string, argv = process.argv.slice(2)): void {
  const [first] = argv;
  if (first === undefined) return;
  const usage = `usage: npm run ${script}\n\n${does}\n`;
  const isHelp = first === '--help' || first === '-h';
  if (isHelp) process.stdout.write(usage);
  else process.stderr.write(`${script}: unexpected ${JSON.stringify(first)}\n${usage}`);
  process.exit(isHelp ? 0 : 2);
}

/** Ends the process where help is asked for; other arguments go to the program that the script runs. */
export function endAtHelp(script: string, does: string, argv = process.argv.slice(2)): void {
  if (!argv.some((argument) => argument === '--help' || argument === '-h')) return;
  process.stdout.write(`usage: npm run ${script} -- [ARGUMENTS]\n\n${does}\n`);
  process.exit(0);
}
