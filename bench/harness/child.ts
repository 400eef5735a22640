import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { PROJECT } from './built.ts'
import { median } from './clock.ts'

/** What a case measured: names with their unit, numbers. */
export type Figures = Readonly<Record<string, number>>
export type Params = Readonly<Record<string, string | number>>

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url))
export const TAPELAKE = `${PROJECT}bin/tapelake.js`

/** Writes what the process used to the file named by BENCH_USAGE when it exits. */
const USAGE_HOOK = `data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from 'node:fs'
   process.on('exit', () => writeFileSync(process.env.BENCH_USAGE, JSON.stringify(process.resourceUsage())))`,
)}`

/** Arguments for node that make it report its resource usage; see {@link Usage}. */
export const REPORT_USAGE = ['--import', USAGE_HOOK] as const

/** The same for NODE_OPTIONS: every process writes a file of its own into the folder named by BENCH_USAGE. */
export const EACH_USAGE = `--import data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from 'node:fs'
   process.on('exit', () => writeFileSync(process.env.BENCH_USAGE + '/' + process.pid + '.json',
     JSON.stringify({ ...process.resourceUsage(), worker: process.argv[2] === 'worker' })))`,
)}`

/** What {@link REPORT_USAGE} reports: part of `process.resourceUsage()`. */
export interface Usage {
  /** Kilobytes. */
  readonly maxRSS: number
  /** Microseconds. */
  readonly userCPUTime: number
  readonly systemCPUTime: number
}

/** The benchmark must not depend on the machine's proxies, nor on its user's settings. */
export const cleanEnv = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(TAPELAKE|POLYGON|MASSIVE|NODE_OPTIONS)/.test(name),
  )
  return { ...Object.fromEntries(kept), NO_PROXY: '127.0.0.1,localhost', ...extra }
}

export interface Finished {
  readonly stdout: string
  readonly wallMs: number
}

export interface RunOptions {
  /** Exit codes that are fine; default 0 alone. */
  readonly codes?: readonly number[]
  /** True: the process and all that it starts are kept to the first core; see {@link canPin}. */
  readonly oneCore?: boolean
}

const ONE_CORE = ['taskset', '--cpu-list', '0'] as const

/** Whether this machine can keep processes to one core (util-linux has the command). */
export const canPin = (): boolean => spawnSync(ONE_CORE[0], ['--version']).status === 0

/**
 * Runs node with `args` to its end.
 *
 * @throws when it ends with another code than those of `codes`, with what it said
 */
export async function runNode(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  { codes = [0], oneCore = false }: RunOptions = {},
): Promise<Finished> {
  const startMs = performance.now()
  const [command, ...rest] = [...(oneCore ? ONE_CORE : []), process.execPath, ...args]
  const child = spawn(command, rest, {
    cwd: PROJECT,
    env: cleanEnv(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  if (code !== null && codes.includes(code)) return { stdout, wallMs: performance.now() - startMs }
  throw new Error(`node ${args.join(' ')} ended with ${code}:\n${stderr.slice(-4000)}`)
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

/** Runs the case called `name` in a process of its own. */
export async function runCase(name: string, params: Params = {}): Promise<Figures> {
  const { stdout } = await runNode(['--import', 'tsx', RUN, '--case', name, JSON.stringify(params)])
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Figures
}

/**
 * Runs each case `rounds` times, taking turns, so that a busy moment of the machine hits all of them; medians
 * of every figure, by label.
 */
export async function compareCases<Label extends string>(
  rounds: number,
  cases: Readonly<Record<Label, { readonly name: string; readonly params?: Params }>>,
): Promise<Record<Label, Figures>> {
  const labels = Object.keys(cases) as Label[]
  const runs = Object.fromEntries(labels.map((label) => [label, []])) as unknown as Record<Label, Figures[]>
  for (let round = 0; round < rounds; round++) {
    for (const label of labels) runs[label].push(await runCase(cases[label].name, cases[label].params))
  }
  return Object.fromEntries(labels.map((label) => [label, medians(runs[label])])) as Record<Label, Figures>
}

/** The median of each figure. */
export function medians(runs: readonly Figures[]): Figures {
  const names = Object.keys(runs[0] ?? {})
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]!))]))
}

/** A process that serves until it is stopped. */
export interface Served {
  readonly url: string
  /** Keeps it to the first core from now on, or lets it run on all; see {@link canPin}. */
  pin(oneCore: boolean): void
  stop(): Promise<void>
}

/** Starts node with `args`, whose first line on stdout is JSON with a `url`. */
export async function serve(args: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, args, {
    cwd: PROJECT,
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const pin = (oneCore: boolean): void => {
      const cores = oneCore ? '0' : `0-${cpus().length - 1}`
      spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(child.pid)])
    }
    return { url: await urlOf(child), pin, stop: () => stop(child) }
  } catch (error) {
    child.kill()
    throw error
  }
}

/** Serves the body in the file at `path`, in a process of its own. */
export const serveBody = (path: string): Promise<Served> =>
  serve(['--import', 'tsx', RUN, '--case', 'serve-body', JSON.stringify({ path })])

/** A flood of trades over WebSockets, from a process of its own; see `cases/live.ts`. */
export const serveFlood = (params: Params): Promise<Served> =>
  serve(['--import', 'tsx', RUN, '--case', 'serve-flood', JSON.stringify(params)])

/** What `upstream` answers, from memory where it was asked before. */
export const serveReplay = (upstream: string): Promise<Served> =>
  serve(['--import', 'tsx', RUN, '--case', 'serve-replay', JSON.stringify({ upstream })])

/** The simulator, in a process of its own. */
export const serveSimulator = (): Promise<Served> =>
  serve([TAPELAKE, 'simulator', '--port', '0', '--json', '--quiet'])

async function urlOf(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    const url = /"url":\s*"([^"]+)"/.exec(text)?.[1]
    if (url !== undefined) return url
  }
  throw new Error(`no server came up: ${text}`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const closed = once(child, 'exit')
  child.kill('SIGTERM')
  await closed
}
