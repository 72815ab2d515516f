/** Tells the program what it asked to be told. What it throws then, or rejects with, changes nothing of the call. */
export function tellProgram<A extends readonly unknown[]>(
  listener: ((...told: A) => unknown) | undefined,
  ...told: A
): void {
  try {
    const answer = listener?.(...told);
    if (answer instanceof Promise) answer.catch(() => undefined);
  } catch {
    // An error of the program, which has nothing to do with the call.
  }
}
