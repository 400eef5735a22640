import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { runCli as runCommandLine } from '../../src/cli/run.ts'

const BIN = fileURLToPath(new URL('../../bin/tapelake.js', import.meta.url))

export interface CliRunOptions {
  /** Added to an environment that holds nothing but PATH, TZ and an empty home; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Default: a fresh empty folder. */
  readonly cwd?: string
  readonly stdin?: string
  /** Signals to send, in order: each as soon as everything printed so far matches `after`. */
  readonly signals?: readonly { readonly after: RegExp; readonly send: NodeJS.Signals }[]
}

export interface CliRun {
  /** Exit code; null when a signal killed the process. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program as a process of its own, as a shell would. */
export function runCli(args: readonly string[], options: CliRunOptions = {}): Promise<CliRun> {
  const { stdin, signals = [] } = options
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: options.cwd ?? freshFolder(),
    env: cliEnv(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const pending = [...signals]
  let stdout = ''
  let stderr = ''
  const react = () => {
    const next = pending[0]
    if (!next?.after.test(stdout + stderr)) return
    pending.shift()
    child.kill(next.send)
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    react()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    react()
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

export interface HereOptions extends Omit<CliRunOptions, 'stdin'> {
  /** Called with everything printed so far. */
  readonly onOutput?: (text: string) => void
}

/**
 * Like {@link runCli}, but inside this process: faster, and counted by coverage. No stdin. A signal reaches
 * nobody but the program.
 */
export async function runHere(
  args: readonly string[],
  { env, cwd = freshFolder(), signals = [], onOutput }: HereOptions = {},
): Promise<CliRun> {
  const pending = [...signals]
  const names = [...new Set(signals.map(({ send }) => send))]
  const others = new Set(names.flatMap((name) => process.listeners(name)))
  const react = () => {
    onOutput?.(stdout.text + stderr.text)
    if (!pending[0]?.after.test(stdout.text + stderr.text)) return
    const { send } = pending.shift()!
    setImmediate(() => {
      for (const listener of process.listeners(send))
        if (!others.has(listener)) Reflect.apply(listener, process, [send])
    })
  }
  const stdout = new CollectingStream(react)
  const stderr = new CollectingStream(react)
  const code = await runCommandLine({
    terminal: { argv: args, env: cliEnv(env), cwd, stdout, stderr },
    onStuck: (stuck) => {
      throw new Error(`did not end, exit code ${stuck}`)
    },
  })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

/** Keeps what is written to it. */
export class CollectingStream extends Writable {
  readonly #onText: () => void
  text = ''

  constructor(onText: () => void = () => undefined) {
    super()
    this.#onText = onText
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString('utf8')
    this.#onText()
    done()
  }
}

/** Runs the program and reads the one JSON document that it prints. */
export async function runCliJson(
  args: readonly string[],
  options: CliRunOptions & { readonly here?: boolean } = {},
): Promise<CliRun & { readonly document: Record<string, unknown> }> {
  const run = await (options.here ? runHere : runCli)([...args, '--json'], options)
  return { ...run, document: JSON.parse(run.stdout) as Record<string, unknown> }
}

/** The environment of {@link runCli}, for those who start the process themselves. */
export function cliEnv(extra: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const { PATH, TZ, NO_PROXY, TAPELAKE_RUNTIME_DIR } = process.env
  return { PATH, TZ, NO_PROXY, TAPELAKE_RUNTIME_DIR, HOME: extra.HOME ?? freshFolder(), ...extra }
}

/** An empty folder that nobody else has. */
export function freshFolder(): string {
  return mkdtempSync(join(tmpdir(), 'tapelake-'))
}

/** Path of the program, for tests that start it their own way. */
export const CLI_BIN = BIN
