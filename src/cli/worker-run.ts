import { adoptLive, type LiveSettings } from '../core/config/reload.ts'
import { EXIT, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths } from '../lake/layout.ts'
import { registerProcess } from '../lake/process-registry.ts'
import { openHistorySource, type SourceName } from '../pipeline/open-source.ts'
import { relayEvents, toWire } from '../pipeline/workers/messages.ts'
import { parentPort, serveUnits, WorkerInbox, type WorkerPort } from '../pipeline/workers/worker.ts'
import { BackfillWatch } from './backfill-watch.ts'
import type { RunContext } from './context.ts'
import { driftOf } from './drift-alert.ts'

/** Flags of `worker`. */
export interface WorkerFlags {
  readonly run?: string
  readonly source: SourceName
}

/** What `worker` does: serves the run that started this process, over the pipe that it made. */
export async function runWorker(
  context: RunContext,
  flags: WorkerFlags,
  port: WorkerPort = parentPort(),
): Promise<ExitCode> {
  const { config, runId, signals } = context
  const entry = await registerProcess(config.dataDir, {
    ...{ kind: 'worker', command: 'backfill-all', run: runId, state: 'starting', parent: process.ppid },
  })
  try {
    const { graceful, immediate } = signals
    const onSettings = (live: LiveSettings): void => void adoptLive(config.settings, live)
    const inbox = new WorkerInbox({ port, graceful, immediate, onSettings })
    await serve(context, flags, port, inbox, entry)
  } catch (error) {
    port.send({ kind: 'failed', error: toWire(error) })
    throw error
  } finally {
    await entry.remove()
    await port.settled()
  }
  return EXIT.ok
}

async function serve(
  context: RunContext,
  { source: kind }: WorkerFlags,
  port: WorkerPort,
  inbox: WorkerInbox,
  entry: Awaited<ReturnType<typeof registerProcess>>,
): Promise<void> {
  const { config, now, runId } = context
  const { settings, dataDir: root, secrets } = config
  const watch = await BackfillWatch.start(context)
  const events = together(
    watch.sourceEvents,
    relayEvents((message) => port.send(message)),
  )
  const opened = await openHistorySource({
    ...{ kind, settings, secrets, now, events, patience: inbox.graceful },
    caller: { label: 'backfill-all', priority: 'history' },
    onProblem: (text) => context.logger.warn(text),
    drift: driftOf(context),
  })
  const { engine: name, compression, rowGroupRows } = settings.sinks.parquet
  const engine = createEngine(name, { tempDirectory: dataPaths(root).scratch })
  entry.update({ state: 'idle' })
  try {
    const { concurrency } = settings.backfill
    await serveUnits({
      ...{ port, inbox, entry },
      backfill: {
        ...{ root, runId, source: opened.source, engine, compression, rowGroupRows, concurrency },
        ...{ lateDays: settings.versions.lateDays, hooks: watch.hooks },
      },
    })
  } finally {
    watch.stop()
    await engine.close()
    await opened.close()
  }
}
