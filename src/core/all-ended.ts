/**
 * What all of `works` come to, in their order. Unlike Promise.all it waits, when one of them fails, for the others to
 * end: nothing goes on behind the back of whoever cleans up.
 *
 * @throws what the first of them, in their order, failed with
 */
export async function allEnded<T extends readonly unknown[]>(
  works: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  const all: readonly Promise<unknown>[] = works
  const outcomes = await Promise.allSettled(all)
  const results = outcomes.map((outcome): unknown => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
  return results as unknown as T
}
