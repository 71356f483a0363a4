/** Answers of workers. Errors cross the border as data: a thrown one would lose its code. */
import { ImageError, type PlainError } from '../../errors.js';

export type Reply<T> = { ok: T } | { error: PlainError };

/** What `work` comes to. Throws what is no `ImageError`. */
export async function reply<T>(work: Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: await work };
  } catch (thrown) {
    if (thrown instanceof ImageError) return { error: thrown.toPlain() };
    throw thrown;
  }
}

/** The other side of `reply`. */
export function unwrap<T>(answer: Reply<T>): T {
  if ('error' in answer) throw ImageError.fromPlain(answer.error);
  return answer.ok;
}
