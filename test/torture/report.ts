/** What the parts of a long run have in common: a tally, and lines on stdout. */

export class Report {
  passed = 0;
  failed = 0;
  skipped = 0;

  say(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  pass(cases = 1): void {
    this.passed += cases;
  }

  fail(what: string, error?: unknown): void {
    this.failed++;
    this.say(`FAILED ${what}`);
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      this.say(cause.stack ?? cause.message);
  }

  skip(what: string): void {
    this.skipped++;
    this.say(`SKIPPED ${what}`);
  }

  /** `{ a: 1, b: 2 }` as `a 1, b 2`. */
  counts(title: string, counts: object): void {
    const text = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
    this.say(`${title}: ${text.join(', ')}`);
  }
}

/** After this many failures a part ends early: the rest would say the same. */
export const FAILURES_MAX = 10;
