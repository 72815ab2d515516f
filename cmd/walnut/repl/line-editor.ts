/** Lines typed at a terminal: Node's line editing with history, completion by Tab and a hint behind the cursor. */
import { clearLine, createInterface, type Interface, moveCursor } from 'node:readline';
import type { Terminal } from '../cli-io.ts';
import { widthOf } from '../output/table.ts';
import type { Completion } from './complete.ts';

export interface LineEditorOptions {
  /** The newest last. */
  readonly history: readonly string[];
  complete(line: string): Promise<Completion>;
  /** What could be typed next; empty: nothing is shown. */
  hint(line: string): string;
  /** Makes the hint look different from what is typed; undefined: hints are not shown. */
  readonly dim: ((text: string) => string) | undefined;
  /** True if the terminal moves its cursor; else its system edits the line, and Ctrl-C is a signal. */
  readonly canEdit: boolean;
  /** Columns of a line. */
  columns(): number;
}

/** Lines that are typed while a command runs; more are dropped. */
const WAITING_MAX = 100;

export class LineEditor {
  /** Called at Ctrl-C: `isReading` while a line is being typed. */
  onInterrupt: (isReading: boolean) => void = () => {};
  readonly #terminal: Terminal;
  readonly #options: LineEditorOptions;
  readonly #lines: Interface;
  readonly #waiting: string[] = [];
  #reader: ((line: string | undefined) => void) | undefined;
  #isClosed = false;
  #hasHint = false;

  constructor(terminal: Terminal, options: LineEditorOptions) {
    this.#terminal = terminal;
    this.#options = options;
    this.#lines = createInterface({
      input: terminal.input,
      output: terminal.output,
      terminal: options.canEdit,
      history: [...options.history].reverse(),
      historySize: Math.max(1, options.history.length) + WAITING_MAX,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        options.complete(line).then(
          ({ offers, typed }) => done(null, [[...offers], typed]),
          () => done(null, [[], line]),
        );
      },
    });
    this.#lines.on('line', (line) => this.#take(line));
    this.#lines.on('close', () => this.#end());
    this.#lines.on('SIGINT', () => this.#interrupt());
    terminal.input.prependListener('keypress', () => this.#clearHint());
    terminal.input.on('keypress', () => this.#showHint());
  }

  /** The next line; undefined at the end of the input: Ctrl-D. One read at a time. */
  read(prompt: string): Promise<string | undefined> {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return Promise.resolve(waiting);
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#reader = resolve;
      this.#lines.setPrompt(prompt);
      this.#lines.prompt();
    });
  }

  close(): void {
    this.#lines.close();
  }

  #take(line: string): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined) reader(line);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(line);
  }

  #end(): void {
    this.#isClosed = true;
    this.#reader?.(undefined);
    this.#reader = undefined;
  }

  #interrupt(): void {
    const isReading = this.#reader !== undefined;
    this.onInterrupt(isReading);
    if (!isReading) return;
    // Empties the line by the keys that do so: to its end, then all before the cursor.
    for (const name of ['e', 'u']) this.#lines.write(null, { ctrl: true, name });
    this.#lines.prompt();
  }

  #showHint(): void {
    const { dim, hint, columns } = this.#options;
    const { line, cursor } = this.#lines;
    if (dim === undefined || this.#reader === undefined || cursor !== line.length) return;
    // The prompt and the line must stand on one row, and the hint behind them.
    const room = columns() - widthOf(this.#lines.getPrompt()) - widthOf(line) - 1;
    const text = hint(line).slice(0, Math.max(0, room));
    if (text === '') return;
    this.#terminal.output.write(dim(text));
    moveCursor(this.#terminal.output, -widthOf(text), 0);
    this.#hasHint = true;
  }

  #clearHint(): void {
    if (this.#hasHint) clearLine(this.#terminal.output, 1);
    this.#hasHint = false;
  }
}
