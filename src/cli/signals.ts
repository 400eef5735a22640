import { isatty } from 'node:tty'
import { EXIT, InterruptedError, type ExitCode } from '../core/errors.ts'

const SIGNALS = { SIGINT: EXIT.sigint, SIGTERM: EXIT.sigterm, SIGHUP: EXIT.sigterm } as const
type SignalName = keyof typeof SIGNALS

/** How long a command may take to end after it was told to stop at once. */
const LAST_GRACE_MS = 5000

/** Ctrl-C and its relatives, as abort signals. */
export interface Signals {
  /** Aborts at the first signal: finish the item in hand, save, end. */
  readonly graceful: AbortSignal
  /** Aborts at the second signal: stop now. Of a command that is not `graceful`, at the first. */
  readonly immediate: AbortSignal
  /** The exit code of the signal that came, if one came. */
  readonly exitCode: ExitCode | undefined
  /** Stops listening. */
  dispose(): void
}

export interface SignalOptions {
  /** False: nothing to finish, so that the first signal aborts `immediate` as well. */
  readonly graceful: boolean
  /** Called at the first signal of a graceful command. */
  readonly onFirst: () => void
  /** Given where SIGHUP is no end: called at each one, unless the terminal that the program was started from is gone. */
  readonly onReload?: (() => void) | undefined
  /** Default: whether a terminal was there at the start and is not any more. */
  readonly hasHungUp?: () => boolean
  /** Called when the command does not end: at a further signal, or some seconds after `immediate` aborted. */
  readonly onStuck: (exitCode: ExitCode) => void
  /** Default: this process. */
  readonly source?: Pick<NodeJS.EventEmitter, 'on' | 'off'>
}

/** Listens for SIGINT, SIGTERM and SIGHUP. */
export function createSignals(options: SignalOptions): Signals {
  const { graceful, onFirst, onStuck, onReload, source = process, hasHungUp = watchTerminals() } = options
  const first = new AbortController()
  const second = new AbortController()
  let exitCode: ExitCode | undefined
  let timer: NodeJS.Timeout | undefined

  const onSignal = (name: SignalName) => {
    if (name === 'SIGHUP' && onReload && !hasHungUp()) return onReload()
    const wasNow = second.signal.aborted
    const wasFirst = exitCode === undefined
    exitCode ??= SIGNALS[name]
    const reason = new InterruptedError(`interrupted by ${name}`)
    if (wasNow) return onStuck(exitCode)
    if (wasFirst && graceful) onFirst()
    first.abort(reason)
    if (wasFirst && graceful) return
    second.abort(reason)
    timer = setTimeout(onStuck, LAST_GRACE_MS, exitCode)
    timer.unref()
  }

  const names = Object.keys(SIGNALS) as SignalName[]
  for (const name of names) source.on(name, onSignal)
  return {
    graceful: first.signal,
    immediate: second.signal,
    get exitCode() {
      return exitCode
    },
    dispose() {
      clearTimeout(timer)
      for (const name of names) source.off(name, onSignal)
    },
  }
}

/** A terminal that was closed sends SIGHUP too, and is no terminal any more. */
function watchTerminals(): () => boolean {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd))
  return () => terminals.some((fd) => !isatty(fd))
}
