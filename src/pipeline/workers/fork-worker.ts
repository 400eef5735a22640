import { fork } from 'node:child_process'
import { PROGRAM_FILE } from '../program-file.ts'
import type { FromWorker } from './messages.ts'
import type { WorkerHandle } from './pool.ts'

export interface ForkOptions {
  /** Arguments of the program, from the command on. */
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Called with what the worker prints on stderr. */
  readonly onText: (text: string) => void
}

/**
 * Starts the program once more as a worker: a child of this process, in a process group of its own, so that Ctrl-C on the
 * terminal reaches the run alone, which then tells its workers.
 */
export function forkWorker({ args, cwd, env, onText }: ForkOptions): WorkerHandle {
  const child = fork(PROGRAM_FILE, [...args], {
    ...{ cwd, env, execArgv: [], detached: true },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  child.stderr?.setEncoding('utf8').on('data', onText)
  child.on('error', () => undefined) // told by its end
  return {
    pid: child.pid ?? 0,
    send: (message) => {
      if (child.connected) child.send(message, () => undefined)
    },
    kill: () => void child.kill('SIGKILL'),
    onMessage: (listener) => void child.on('message', (message) => listener(message as FromWorker)),
    // What it said before it ended may still be in the pipe: the end of the pipe is its end.
    onExit: (listener) => {
      let how: string | undefined
      const tell = (): void => {
        if (how !== undefined && !child.connected) listener(how)
      }
      child.once('exit', (code, signal) => {
        how = signal ? `signal ${signal}` : `exit code ${code}`
        tell()
      })
      child.once('disconnect', tell)
      if (child.pid === undefined) child.once('error', (error) => listener(error.message))
    },
  }
}
