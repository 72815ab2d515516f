/** Waiting for what this turn of the event loop still has to do. */

/**
 * Calls back after the callbacks of all pending promises: in Node before anything else
 * happens, elsewhere as a task of its own. To be called in such a callback: outside of
 * one, Node calls back before them.
 */
export const afterPromises: (callback: () => void) => void =
  typeof process === 'object' && typeof process.nextTick === 'function'
    ? process.nextTick
    : (callback) => void setTimeout(callback, 0);
