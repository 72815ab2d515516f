/** How much memory this process may use. */
import { totalmem } from 'node:os';

/** The cgroup's limit in bytes if there is one below the machine's RAM, else the RAM. */
export function memoryLimitBytes(): number {
  const ramBytes = totalmem();
  const constrainedBytes = process.constrainedMemory();
  return constrainedBytes > 0 ? Math.min(ramBytes, constrainedBytes) : ramBytes;
}
