import { EXIT, LockedError, UsageError, type ExitCode } from '../core/errors.ts'
import { listProcesses, stopProcess, type ProcessEntry } from '../lake/process-registry.ts'
import type { RunContext } from './context.ts'
import { formatDuration } from './format.ts'

/** Flags of `workers stop`. */
export interface StopFlags {
  readonly all?: boolean
  /** Seconds. */
  readonly within?: number
}

const isWorker = ({ kind }: ProcessEntry): boolean => kind === 'worker'

/** What `workers list` does. */
export async function listWorkers({ config, out, flags }: RunContext): Promise<void> {
  const all = await listProcesses(config.dataDir)
  if (flags.json) {
    const workers = all.filter(isWorker).map(document)
    const others = all.filter((entry) => !isWorker(entry)).map(document)
    return out.json('tapelake.workers', 1, { workers, runs: others })
  }
  if (all.length === 0) return out.line('Nobody is at work here.')
  await out.table(
    ['pid', 'kind', 'command', 'ticker', 'dataset', 'state', 'for', 'run'],
    all.map(({ pid, kind, command, ticker = '', dataset = '', state, since, run }) => [
      ...[
        String(pid),
        kind,
        command,
        ticker,
        dataset,
        state,
        formatDuration(Date.now() - Date.parse(since)),
        run,
      ],
    ]),
    { right: [0, 6] },
  )
}

const document = ({
  pid,
  kind,
  command,
  ticker,
  dataset,
  state,
  since,
  startedAt,
  run,
  parent,
}: ProcessEntry) => ({
  ...{ id: String(pid), pid, kind, command, ticker: ticker ?? null, dataset: dataset ?? null },
  ...{ state, since, startedAt, run, parent: parent ?? null },
})

/** What `workers stop` does. */
export async function stopWorkers(
  context: RunContext,
  flags: StopFlags,
  id: string | undefined,
): Promise<ExitCode> {
  if ((id === undefined) === !flags.all) {
    throw new UsageError('say which worker to stop, or --all', { hint: 'tapelake workers list shows them.' })
  }
  const { config, out } = context
  const running = await listProcesses(config.dataDir)
  const targets = id === undefined ? runsOf(running) : [workerCalled(id, running)]
  const stopped = await stopRuns(context, flags, targets)
  // Workers whose run was killed, or that do not listen to it.
  if (flags.all) {
    stopped.push(...(await stopEach(context, flags, (await listProcesses(config.dataDir)).filter(isWorker))))
  }
  if (context.flags.json) out.json('tapelake.workers-stop', 1, { stopped })
  else if (stopped.length === 0) out.line('No workers are running.')
  else for (const { pid, kind, command, how } of stopped) out.line(`${command} ${kind} ${pid}: ${how}`)
  const stuck = stopped.find(({ how }) => how === 'stuck')
  if (stuck)
    throw new LockedError(`process ${stuck.pid} cannot be ended`, { hint: 'It may belong to another user.' })
  return EXIT.ok
}

/** The processes that have workers; they end them and tell what was done. */
function runsOf(running: readonly ProcessEntry[]): ProcessEntry[] {
  const parents = new Set(running.filter(isWorker).map(({ parent }) => parent))
  return running
    .filter(({ pid, command }) => parents.has(pid) || command === 'backfill-all')
    .filter((entry) => !isWorker(entry))
}

function workerCalled(id: string, running: readonly ProcessEntry[]): ProcessEntry {
  const found = running.filter(isWorker).find(({ pid, ticker }) => String(pid) === id || ticker === id)
  if (found) return found
  throw new UsageError(`no worker ${id} is running`, { hint: 'tapelake workers list shows those that are.' })
}

/** Ends runs; of one that waits for a worker that hangs, the worker is killed at the deadline, not the run. */
async function stopRuns(context: RunContext, flags: StopFlags, targets: readonly ProcessEntry[]) {
  const { dataDir } = context.config
  const hung: Awaited<ReturnType<typeof stopEach>> = []
  const stopped = await stopEach(context, flags, targets, async ({ pid }) => {
    const mine = (await listProcesses(dataDir)).filter((one) => isWorker(one) && one.parent === pid)
    hung.push(...(await stopEach(context, { within: 0 }, mine)))
    return mine.length > 0
  })
  return [...stopped, ...hung]
}

async function stopEach(
  { config, signals }: RunContext,
  { within = config.settings.workers.stopSeconds }: StopFlags,
  targets: readonly ProcessEntry[],
  unblock: (entry: ProcessEntry) => Promise<boolean> = async () => false,
) {
  return await Promise.all(
    targets.map(async (entry) => {
      const how = await stopProcess(config.dataDir, entry, within * 1000, signals.immediate, () =>
        unblock(entry),
      )
      const { pid, kind, command, ticker } = entry
      return { pid, kind, command, ticker: ticker ?? null, how }
    }),
  )
}
