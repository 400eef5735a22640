import { spawn } from 'node:child_process'
import { CLI_BIN, cliEnv } from '../support/cli.ts'
import type { StreamDocument } from './stream-world.ts'
import type { Place } from './world.ts'

/** The built program, recording in a process of its own. */
export interface Recorder {
  readonly child: ReturnType<typeof spawn>
  /** What it said on stderr so far. */
  readonly said: () => string
  readonly isConnected: () => boolean
  /** Resolves once it is connected, or has ended without. */
  readonly connected: Promise<void>
  /** Exit code (null: killed) and what it printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string }>
  /** The document of a recorder that ended. */
  document(): Promise<{ readonly code: number | null; readonly document: StreamDocument }>
}

/** Starts `tapelake <args> --json` at `place`. */
export function startRecorder(
  place: Place,
  args: string,
  env: Readonly<Record<string, string>> = {},
): Recorder {
  const words = [...args.split(' '), '--json', '--data-dir', place.dataDir]
  const child = spawn(process.execPath, [CLI_BIN, ...words], {
    env: cliEnv({ ...place.env, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const ended = new Promise<{ code: number | null; stdout: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stdout })),
  )
  const isConnected = (): boolean => /^connected/m.test(stderr)
  const connected = new Promise<void>((resolve) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      if (isConnected()) resolve()
    })
    void ended.then(() => resolve())
  })
  const document = async () => {
    const { code, stdout: text } = await ended
    if (text === '') throw new Error(`nothing printed, exit code ${code}: ${stderr}`)
    return { code, document: JSON.parse(text) as StreamDocument }
  }
  return { child, said: () => stderr, isConnected, connected, ended, document }
}
