import { InterruptedError, isPipelineError } from './errors.ts'

/** Longest delay that a Node timer can hold; longer sleeps are cut into pieces. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** What to throw for an aborted `signal`: its reason if that is one of our errors, else {@link InterruptedError}. */
export function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return isPipelineError(reason) ? reason : new InterruptedError('interrupted', { cause: reason })
}

/** @throws what {@link abortError} gives, when `signal` is already aborted */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal)
}

/**
 * Waits at least `ms` milliseconds by the monotonic clock; keeps the process alive meanwhile.
 *
 * @throws what {@link abortError} gives, as soon as `signal` aborts
 */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + ms
  for (let leftMs = ms; ; leftMs = endMs - performance.now()) {
    throwIfAborted(signal)
    if (leftMs <= 0) return
    await pause(Math.min(Math.ceil(leftMs), MAX_TIMER_MS), signal)
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    signal.addEventListener('abort', wake, { once: true })
  })
}

/**
 * The result of `work`, or a rejection as soon as `signal` aborts, even where `work` does not listen.
 *
 * @throws what `work` throws, or what {@link abortError} gives
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortError(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => undefined) // nobody waits for the loser of the race
  }
}

/**
 * Runs `work` with a signal that aborts when `signal` does, or when `ms` milliseconds have passed.
 *
 * @throws what `makeError` gives when the deadline passes first, what {@link abortError} gives when
 *   `signal` aborts first, at once in both cases; else what `work` throws
 */
export async function withDeadline<T>(
  ms: number,
  makeError: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  throwIfAborted(signal)
  const linked = new AbortController()
  let failure: Error | undefined
  const stop = (error: Error) => {
    failure ??= error
    linked.abort(failure)
  }
  const onAbort = () => stop(abortError(signal))
  const timer = setTimeout(() => stop(makeError()), Math.min(ms, MAX_TIMER_MS))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await abortable(work(linked.signal), linked.signal)
  } catch (error) {
    throw failure ?? error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}
