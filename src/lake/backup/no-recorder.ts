import { sleep, throwIfAborted } from '../../core/abort.ts'
import { LockedError } from '../../core/errors.ts'
import { listProcesses } from '../process-registry.ts'

const POLL_MS = 100

/**
 * Waits until nobody records a live session into `root`: what a recorder has received lies in its journal and in its
 * memory, and would end in a lake that has become another one.
 *
 * @throws {LockedError} naming the recorder, when one is still at work after `waitMs`
 * @throws {InterruptedError} as soon as `signal` aborts
 */
export async function waitForRecorders(root: string, waitMs: number, signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + waitMs
  for (;;) {
    throwIfAborted(signal)
    const recorder = (await listProcesses(root)).find(({ kind }) => kind === 'stream')
    if (!recorder) return
    if (performance.now() >= deadlineMs) {
      const { pid, ticker, startedAt } = recorder
      throw new LockedError(
        `process ${pid} records ${ticker ?? 'a live session'} into ${root}, since ${startedAt}`,
        {
          hint: `Nothing was changed. Let it finish, wait for it with --wait SECONDS, or end it (kill ${pid}: it commits what it has).`,
        },
      )
    }
    await sleep(POLL_MS, signal)
  }
}
