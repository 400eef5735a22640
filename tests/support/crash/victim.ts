import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLI_BIN, cliEnv } from '../cli.ts'
import type { Operation } from './operations.js'

const HOOK = fileURLToPath(new URL('kill-at.js', import.meta.url))

/** What a backfill is doing, by the operation that is next or under way. */
export const PHASES = ['start', 'fetch', 'write', 'rename', 'ledger'] as const
export type Phase = (typeof PHASES)[number]

/** An operation of the program, as tests/support/crash/kill-at.js notes it. */
export interface Noted {
  readonly name: Operation['name'] | 'request' | 'answer'
  readonly path: string
  readonly to?: string
}

/** When to kill: at the operation of this number, as described in kill-at.js, or so long after the start. */
export type Kill =
  { readonly at: number; readonly how: 'before' | 'tear' | number } | { readonly afterMs: number }

export interface VictimRun {
  readonly killed: boolean
  readonly code: number | null
  readonly stderr: string
  readonly operations: readonly Noted[]
  /** What it was doing when it ended. */
  readonly phase: Phase
}

/** Runs the program with `args` and kills it with SIGKILL as `kill` says, if it lasts that long. */
export async function runVictim(
  args: readonly string[],
  log: string,
  { kill, env = {} }: { kill?: Kill | undefined; env?: Readonly<Record<string, string>> } = {},
): Promise<VictimRun> {
  const at = kill && 'at' in kill ? { CRASH_AT: String(kill.at), CRASH_HOW: String(kill.how) } : {}
  await rm(log, { force: true })
  const child = spawn(process.execPath, ['--import', HOOK, CLI_BIN, ...args], {
    env: cliEnv({ HOME: dirname(log), ...env, ...at, CRASH_LOG: log }),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const timer = kill && 'afterMs' in kill ? setTimeout(() => child.kill('SIGKILL'), kill.afterMs) : undefined
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...end) => resolve(end))
  })
  clearTimeout(timer)
  const operations = await readLog(log)
  return { killed: signal === 'SIGKILL', code, stderr, operations, phase: phaseOf(operations.at(-1)) }
}

async function readLog(path: string): Promise<Noted[]> {
  const text = await readFile(path, 'utf8').catch(() => '') // killed before its first operation
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Noted)
}

/** The phase that an operation belongs to. */
export function phaseOf(operation: Noted | undefined): Phase {
  if (!operation) return 'start'
  const { name, path } = operation
  if (name === 'request' || name === 'answer') return 'fetch'
  if (/\/ledger(\/|$)/.test(path)) return 'ledger'
  if (!/\/(lake|quarantine|history)\//.test(path)) return 'start'
  return name === 'rename' ? 'rename' : 'write'
}
