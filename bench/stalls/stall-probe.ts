/**
 * Preloaded into a server under measurement (`--import`): the longest turn of its event
 * loop, in milliseconds of processor time of the loop's thread, so that other processes
 * on the machine do not count. The parent sends any message to end one measurement and
 * begin the next; the answer is the longest turn since the last one.
 */
let longestMs = 0;
let lastUs = 0;

function threadUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function turn(): void {
  const nowUs = threadUs();
  longestMs = Math.max(longestMs, (nowUs - lastUs) / 1_000);
  lastUs = nowUs;
  setImmediate(turn).unref();
}

process.on('message', () => {
  process.send?.(longestMs);
  longestMs = 0;
  lastUs = threadUs();
});
lastUs = threadUs();
setImmediate(turn).unref();
