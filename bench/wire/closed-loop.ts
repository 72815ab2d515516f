/** Sends requests over a number of connections, each with a fixed number under way, and counts the answers. */
import { type Cut, Pipe } from './pipe.ts';

export interface ClosedLoop {
  readonly port: number;
  readonly cut: Cut;
  readonly connections: number;
  /** Under way on each. */
  readonly depth: number;
  readonly seconds: number;
  next(): Buffer;
  check(answer: Buffer): void;
}

/** Answers a second. */
export async function runClosedLoop(order: ClosedLoop): Promise<{ requests: number; seconds: number }> {
  const { port, cut, connections, depth, seconds } = order;
  const pipes = await Promise.all(Array.from({ length: connections }, () => Pipe.open(port, cut)));
  let requests = 0;
  let isOver = false;
  const again = (pipe: Pipe): void => {
    pipe.send(order.next(), (answer) => {
      order.check(answer);
      if (isOver) return;
      requests++;
      again(pipe);
    });
  };
  const startMs = performance.now();
  for (const pipe of pipes) for (let i = 0; i < depth; i++) again(pipe);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  isOver = true;
  const tookMs = performance.now() - startMs;
  for (const pipe of pipes) pipe.close();
  return { requests, seconds: tookMs / 1_000 };
}
