import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RotatingLog } from '../../cmd/local/rotating-log.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'walnut-rotating-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('RotatingLog', () => {
  it('appends to what is there', () => {
    const path = join(directory, 'a.log');
    writeFileSync(path, 'crash\n');
    const log = new RotatingLog(path);
    log.write(Buffer.from('start\n'));
    log.close();
    log.write(Buffer.from('again\n'));
    log.close();
    expect(readFileSync(path, 'utf8')).toBe('crash\nstart\nagain\n');
  });

  it('keeps two older files, each of no more than the limit', () => {
    const log = new RotatingLog(join(directory, 'a.log'), 100);
    for (let line = 0; line < 100; line++) log.write(Buffer.from(`${String(line).padStart(9, '0')}\n`));
    log.close();
    const names = readdirSync(directory).sort();
    expect(names).toEqual(['a.log', 'a.log.1', 'a.log.2']);
    const texts = names.map((name) => readFileSync(join(directory, name), 'utf8'));
    for (const text of texts) expect(text.length).toBeLessThanOrEqual(100);
    expect(texts[0]).toMatch(/000000099\n$/);
    expect(texts[1]).toMatch(/000000089\n$/);
  });

  it('does not throw where it cannot write', () => {
    const log = new RotatingLog(join(directory, 'none', 'a.log'));
    log.write(Buffer.from('x'));
    log.close();
    expect(readdirSync(directory)).toEqual([]);
  });
});
