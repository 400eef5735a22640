import { readFileSync } from 'node:fs'
import { EXIT, LockedError, messageOf, type ExitCode } from '../core/errors.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { dataPaths } from '../lake/layout.ts'
import { takeLock, type Lock } from '../lake/lock.ts'
import { registerProcess } from '../lake/process-registry.ts'
import { createWebhook } from '../monitor/alerts.ts'
import type { SourceName } from '../pipeline/open-source.ts'
import { exitCodeOfNight, runNight, type StepReport } from '../pipeline/night.ts'
import { refuseWithoutKey, withUniverse } from './backfill-all-run.ts'
import type { RunContext } from './context.ts'
import { isOptionHistory } from './backfill-flags.ts'
import { datasetNamed } from '../market/datasets/index.ts'
import { formatDuration } from './format.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import type { NightFlags } from './nightly-plan.ts'
import { stepsOfNight } from './nightly-steps.ts'

/** Flags of `nightly`. */
export interface NightlyFlags extends MetricsFlags {
  readonly tickers?: readonly string[]
  readonly workers?: number
  readonly source: SourceName
}

/** What `nightly` does. */
export async function runNightly(context: RunContext, flags: NightlyFlags): Promise<ExitCode> {
  const { config, runId, telemetry, signals } = context
  const { datasets, discover } = config.settings.nightly
  const options = datasets.every((name) => isOptionHistory(datasetNamed(name)))
  const tickersOf = flags.tickers ?? (options && discover.length > 0 ? discover : undefined)
  const whole: NightFlags = {
    ...withUniverse(context, {
      ...flags,
      ...(tickersOf && { tickers: tickersOf }),
      priority: 'newest' as const,
    }),
    dataset: datasets,
  }
  const tickers = whole.ticker ?? whole.underlying ?? []
  const begin = () => telemetry.begin({ command: 'nightly', tickers, metrics: flags })
  try {
    refuseWithoutKey(context, flags)
    await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  } catch (error) {
    // A night that cannot begin is a bad one, too: `runs`, `health` and the metrics tell of it, if they can.
    await begin().catch(() => undefined)
    throw error
  }
  const lock = await lockOfNight(context)
  try {
    await begin()
    const entry = await registerProcess(config.dataDir, {
      ...{ kind: 'nightly', command: 'nightly', run: runId, state: 'recording' },
    })
    const startedAt = new Date().toISOString()
    try {
      const steps = await runNight(
        stepsOfNight(context, whole),
        (step) => {
          telemetry.noteStep(stepOf(step))
          if (!context.flags.json) context.out.line(lineOf(context, step))
        },
        signals.graceful,
      )
      return await report(context, { tickers, steps, startedAt })
    } finally {
      await entry.remove()
    }
  } finally {
    await lock.release()
  }
}

/** One night at a time in a data directory. @throws {LockedError} while another one is under way */
async function lockOfNight({ config, signals }: RunContext): Promise<Lock> {
  const options = { folder: dataPaths(config.dataDir).locks, name: 'nightly', purpose: 'nightly', waitMs: 0 }
  try {
    return await takeLock(options, signals.graceful)
  } catch (error) {
    if (!(error instanceof LockedError)) throw error
    throw new LockedError(
      error.message.replace('nightly is being written by', 'another night is under way:'),
      {
        hint: 'Let it finish; see tapelake workers list.',
        cause: error,
      },
    )
  }
}

const stepOf = ({ name, state, durationMs, detail }: StepReport) => ({ name, state, durationMs, detail })

const COLORS = {
  ok: 'green',
  partial: 'yellow',
  failed: 'red',
  interrupted: 'yellow',
  skipped: 'dim',
} as const

function lineOf({ out }: RunContext, { name, state, durationMs, detail }: StepReport): string {
  const took = state === 'skipped' ? '' : formatDuration(durationMs)
  return `${out.style(COLORS[state], state.padEnd(11))}  ${name.padEnd(8)}  ${took.padStart(8)}  ${detail}`
}

interface Night {
  readonly tickers: readonly string[]
  readonly steps: readonly StepReport[]
  readonly startedAt: string
}

async function report(context: RunContext, { tickers, steps, startedAt }: Night): Promise<ExitCode> {
  const { out, flags, runId, signals, redactor, logger } = context
  const exitCode = signals.exitCode ?? exitCodeOfNight(steps)
  const states = steps.map(({ state }) => state)
  const bad = states.filter((state) => state !== 'ok' && state !== 'skipped').length
  const document = redactor.value({
    run: runId,
    ...{ exitCode, startedAt, endedAt: new Date().toISOString(), tickers },
    steps: steps.map(({ fields, ...step }) => ({ ...step, ...fields })),
  }) as object
  for (const { name, state, detail } of steps) {
    // Also with --quiet, and where stdout goes nowhere: cron sends what is said here.
    if (state !== 'ok' && state !== 'skipped') logger.error(`nightly: ${name}: ${state}: ${detail}`)
  }
  if (flags.json) out.json('tapelake.nightly', 1, document)
  else
    out.line(
      bad === 0
        ? 'The night went well.'
        : `${bad} of ${steps.length} steps did not go well; exit ${exitCode}`,
    )
  await post(context, exitCode, steps)
  return exitCode
}

/** Sends the report to the webhook, where one is configured. That it cannot be sent changes nothing else. */
async function post(context: RunContext, exitCode: ExitCode, steps: readonly StepReport[]): Promise<void> {
  const { config, logger, runId, signals, redactor } = context
  const { webhookUrlFile } = config.settings.nightly
  if (webhookUrlFile === undefined) return
  let url: string
  try {
    url = readFileSync(webhookUrlFile, 'utf8').trim()
  } catch (error) {
    logger.error(`nightly.webhookUrlFile: ${messageOf(error)}`)
    return
  }
  const timeoutMs = config.settings.stream.webhookTimeoutMs
  const onFailed = (_alert: object, reason: string): void =>
    logger.error(`the report was not delivered: ${reason}`)
  const webhook = createWebhook({ url, timeoutMs, source: runId, onFailed }, signals.immediate)
  const lines = steps.map(({ name, state, detail }) => `${name}: ${state}, ${detail}`)
  const severity = exitCode === EXIT.ok ? 'info' : exitCode === EXIT.partial ? 'warning' : 'error'
  const text = redactor.text([`nightly ended with exit code ${exitCode}`, ...lines].join('\n'))
  const fields = { exitCode, ...Object.fromEntries(steps.map(({ name, state }) => [name, state])) }
  webhook.send({ kind: 'nightly', severity, text, fields })
  await webhook.settled()
}
