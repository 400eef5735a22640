import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sleep } from '../core/abort.ts'
import { EXIT, InterruptedError, messageOf, UsageError, type ExitCode } from '../core/errors.ts'
import { nextAt, parseSchedule } from '../core/schedule.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { makeFolder, replaceFile } from '../lake/durable.ts'
import { dataPaths } from '../lake/layout.ts'
import { registerProcess } from '../lake/process-registry.ts'
import { refuseWithoutKey } from './backfill-all-run.ts'
import { nextRun, type RunContext } from './context.ts'
import { asPipelineError } from './failure.ts'
import { formatDuration } from './format.ts'
import { runNightly, type NightlyFlags } from './nightly-run.ts'

/** Flags of `schedule`. */
export interface ScheduleFlags extends NightlyFlags {
  readonly once?: boolean
}

const stateSchema = z.object({
  schema: z.object({ name: z.literal('tapelake.schedule'), version: z.literal(1) }),
  /** The last night that was due and is done with, or when the schedule began; ISO 8601 UTC. */
  doneUntil: z.iso.datetime(),
})

const MS_PER_HOUR = 3_600_000

/** What `schedule` does: nights until it is told to end. A night that fails is told and does not end it. */
export async function runSchedule(context: RunContext, flags: ScheduleFlags): Promise<ExitCode> {
  const { config, out, signals, runId, now } = context
  const { at, catchUpHours } = config.settings.nightly
  const schedule = parseSchedule(at)
  if (!schedule || nextAt(schedule, now()) === undefined) {
    throw new UsageError(`nightly.at: ${at} never comes`, {
      hint: 'Say 02:00, or five fields of a crontab line.',
    })
  }
  refuseWithoutKey(context, flags)
  await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  await context.telemetry.show('nightly', flags)
  const entry = await registerProcess(config.dataDir, {
    ...{ kind: 'schedule', command: 'schedule', run: runId, state: 'waiting' },
  })
  try {
    for (;;) {
      const doneMs = await doneUntil(config.dataDir, now())
      const earliestMs = Math.max(doneMs, now() - catchUpHours * MS_PER_HOUR)
      const dueMs = nextAt(schedule, earliestMs)!
      const waitMs = dueMs - now()
      if (waitMs > 0) out.note(`next night at ${instant(dueMs)}, in ${formatDuration(waitMs)}`)
      else out.note(`the night of ${instant(dueMs)} was missed: made up for now`)
      entry.update({ state: 'waiting' })
      await sleepUntil(dueMs, now, signals.graceful)
      entry.update({ state: 'recording' })
      await oneNight(context, flags)
      if (signals.graceful.aborted) return EXIT.ok
      await noteDone(config.dataDir, Math.max(dueMs, now()))
      if (flags.once) return EXIT.ok
    }
  } catch (error) {
    if (error instanceof InterruptedError) return EXIT.ok
    throw error
  } finally {
    await entry.remove()
  }
}

const instant = (ms: number): string => new Date(ms).toISOString()

/** Clocks are set and machines sleep: the wall clock is looked at again every minute. */
async function sleepUntil(dueMs: number, now: () => number, signal: AbortSignal): Promise<void> {
  for (let leftMs; (leftMs = dueMs - now()) > 0;) await sleep(Math.min(leftMs, 60_000), signal)
}

/** A night as a run of its own, with its own name and record. */
async function oneNight(context: RunContext, flags: ScheduleFlags): Promise<void> {
  const night = await nextRun(context)
  try {
    const { metricsPort: _, metricsTextfile: __, ...rest } = flags // shown by the schedule, also between nights
    const exitCode = await runNightly(night, rest)
    await night.telemetry.end(exitCode, undefined)
  } catch (error) {
    const failure = asPipelineError(error, 'tapelake nightly')
    await night.telemetry.end(failure.exitCode, error)
    context.logger.error({ err: error }, `the night failed: ${messageOf(error)}`)
  }
}

const statePath = (root: string): string => join(dataPaths(root).state, 'schedule.json')

/** Until when the nights are done with. Where nothing is known they are until now: there is nothing to make up for. */
async function doneUntil(root: string, nowMs: number): Promise<number> {
  try {
    const state = stateSchema.parse(JSON.parse(await readFile(statePath(root), 'utf8')))
    return Math.min(Date.parse(state.doneUntil), nowMs)
  } catch {
    await noteDone(root, nowMs)
    return nowMs
  }
}

async function noteDone(root: string, ms: number): Promise<void> {
  await makeFolder(dataPaths(root).state)
  const document = { schema: { name: 'tapelake.schedule', version: 1 }, doneUntil: instant(ms) }
  await replaceFile(statePath(root), `${JSON.stringify(document)}\n`)
}
