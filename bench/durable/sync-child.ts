/**
 * What a disk allows one caller: appends and fdatasyncs, one after the other,
 * for a time. Arguments: file, seconds, bytes each. Prints how often.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';

const [path = '', seconds = '1', bytes = '1'] = process.argv.slice(2);
const file = openSync(path, 'w');
const record = Buffer.alloc(Number(bytes), 'r');
const endMs = performance.now() + 1_000 * Number(seconds);
let count = 0;
for (; performance.now() < endMs; count++) {
  writeSync(file, record);
  fdatasyncSync(file);
}
closeSync(file);
process.stdout.write(`${count}\n`);
