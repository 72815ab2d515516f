/** The manual page of the tool, in the macros of man(7): made of the same texts as --help. Pure. */
import type { EventEmitter } from 'node:events';
import type { Command, Help } from 'commander';

/** `program`: for its options and texts. `commands`: all there are. `version`: of this release. */
export function manPage(program: Command, commands: readonly Command[], version: string): string {
  const help = program.createHelp();
  const about = afterTexts(program);
  return [
    `.TH WALNUT 1 "" "Walnut ${roff(version)}" "User Commands"`,
    '.SH NAME',
    `walnut \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    '.B walnut',
    '[\\fIoptions\\fR] [\\fIcommand\\fR]',
    '.SH DESCRIPTION',
    ...about.prose,
    '.SH OPTIONS',
    ...optionsOf(program, help),
    '.SH COMMANDS',
    ...commands.flatMap((command) => commandsOf(command, help)),
    '.SH EXAMPLES',
    ...about.examples,
    '',
  ].join('\n');
}

/** The command, or those below it. */
function commandsOf(command: Command, help: Help): string[] {
  if (command.name() === 'help') return [];
  if (command.commands.length > 0) return command.commands.flatMap((one) => commandsOf(one, help));
  const { prose, examples } = afterTexts(command);
  return [
    `.SS ${roff(help.commandUsage(command))}`,
    roff(command.description()),
    ...argumentsOf(command, help),
    ...optionsOf(command, help),
    ...examples,
    ...(prose.length > 0 ? ['.PP', ...prose] : []),
  ];
}

function argumentsOf(command: Command, help: Help): string[] {
  return command.registeredArguments
    .filter(({ description }) => description !== '')
    .flatMap((argument) => item(argument.name(), help.argumentDescription(argument)));
}

function optionsOf(command: Command, help: Help): string[] {
  return help
    .visibleOptions(command)
    .flatMap((option) => item(help.optionTerm(option), help.optionDescription(option)));
}

function item(term: string, text: string): string[] {
  return ['.TP', `\\fB${roff(term)}\\fR`, roff(text)];
}

interface AfterTexts {
  /** Paragraphs as lines of the page. */
  readonly prose: readonly string[];
  readonly examples: readonly string[];
}

/** The text that help shows after the options: examples, and paragraphs. */
function afterTexts(command: Command): AfterTexts {
  const blocks = collectAfter(command).trim().split(/\n\n+/);
  const examples: string[] = [];
  const prose: string[] = [];
  for (const block of blocks.filter((each) => each !== '')) {
    if (block.startsWith('Examples:\n'))
      examples.push('.PP', '.nf', ...block.split('\n').slice(1).map(roff), '.fi');
    else prose.push(...(prose.length > 0 ? ['.PP'] : []), ...paragraph(block));
  }
  return { prose, examples };
}

/** Lines that are indented stay as they are, as an example of JSON does. */
function paragraph(block: string): string[] {
  const lines = block.split('\n').map(roff);
  return /^ /m.test(block) ? ['.nf', ...lines, '.fi'] : lines;
}

/** Commander keeps these texts as listeners; asking for them as help does is the only way to have them. */
function collectAfter(command: Command): string {
  const texts: string[] = [];
  const context = { error: false, command, write: (text: string) => void texts.push(text) };
  (command as unknown as EventEmitter).emit('afterHelp', context);
  return texts.join('\n');
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
}

/** The text for the page: a dot or an apostrophe that begins a line would be a request, a plain dash a hyphen, and other characters are ASCII. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('…', '...')
    .replace(/^\./gm, '\\&.')
    .replace(/[^\n -~]/gu, (character) => `\\[u${hexOf(character)}]`);
}
