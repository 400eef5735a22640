import { EXIT, InterruptedError, isPipelineError, messageOf, type ExitCode } from '../core/errors.ts'
import { throwIfAborted } from '../core/abort.ts'

/** How a step of the night ended. */
export type StepState = 'ok' | 'partial' | 'failed' | 'skipped' | 'interrupted'

/** What a step says about itself. */
export interface StepDone {
  readonly exitCode: ExitCode
  /** One sentence. */
  readonly detail: string
  /** Further figures, plain data. */
  readonly fields?: object
  /** The stable code of the error that ended it, if one did. */
  readonly error?: string
}

/** One piece of the night's work. */
export interface NightStep {
  readonly name: string
  /** Why there is nothing to do, where there is not. */
  readonly skip?: string | undefined
  /** @throws what ends this step; the next one is begun all the same */
  readonly run: () => Promise<StepDone>
}

/** What became of a step. */
export interface StepReport extends StepDone {
  readonly name: string
  readonly state: StepState
  readonly durationMs: number
}

/**
 * Runs `steps` one after the other. One that fails does not keep the next from being run; one that is interrupted ends
 * the night.
 */
export async function runNight(
  steps: readonly NightStep[],
  onStep: (report: StepReport) => void,
  signal: AbortSignal,
): Promise<StepReport[]> {
  const reports: StepReport[] = []
  for (const step of steps) {
    const isOver = reports.some(({ state }) => state === 'interrupted')
    const report = isOver ? notBegun(step) : await runStep(step, signal)
    reports.push(report)
    onStep(report)
  }
  return reports
}

const notBegun = ({ name }: NightStep): StepReport => ({
  ...{
    name,
    state: 'skipped',
    durationMs: 0,
    exitCode: EXIT.ok,
    detail: 'not begun: the night was interrupted',
  },
})

async function runStep({ name, skip, run }: NightStep, signal: AbortSignal): Promise<StepReport> {
  const startedMs = performance.now()
  const ended = (state: StepState, done: StepDone): StepReport => ({
    ...{ name, state, durationMs: Math.round(performance.now() - startedMs) },
    ...done,
  })
  if (skip !== undefined && !signal.aborted) return ended('skipped', { exitCode: EXIT.ok, detail: skip })
  try {
    throwIfAborted(signal)
    const done = await run()
    if (signal.aborted) return ended('interrupted', { ...done, exitCode: EXIT.sigint })
    return ended(
      done.exitCode === EXIT.ok ? 'ok' : done.exitCode === EXIT.failed ? 'failed' : 'partial',
      done,
    )
  } catch (error) {
    if (error instanceof InterruptedError || signal.aborted)
      return ended('interrupted', { exitCode: EXIT.sigint, detail: 'interrupted' })
    const exitCode = isPipelineError(error) ? error.exitCode : EXIT.failed
    const code = isPipelineError(error) ? error.code : 'INTERNAL'
    return { ...ended('failed', { exitCode, detail: messageOf(error) }), error: code }
  }
}

/**
 * The exit code of a night: that of its steps where those that did not go well agree and nothing else was done, else 3
 * (partly done). A refused key, a spent budget and an interruption are told as such.
 */
export function exitCodeOfNight(reports: readonly StepReport[]): ExitCode {
  const isKeyRefused = reports.some(({ exitCode, error }) => exitCode === EXIT.auth && error !== undefined)
  const codes = reports
    .filter(({ state }) => state !== 'skipped')
    // What the plan does not cover is left out: no reason to look at the key.
    .map(({ exitCode }) => (exitCode === EXIT.auth && !isKeyRefused ? EXIT.partial : exitCode))
  const bad = codes.filter((code) => code !== EXIT.ok)
  if (bad.length === 0) return EXIT.ok
  if (bad.includes(EXIT.sigint)) return EXIT.sigint
  if (bad.includes(EXIT.budget)) return EXIT.budget
  const [first] = bad
  const agree = bad.every((code) => code === first)
  if (agree && (first === EXIT.auth || bad.length === codes.length)) return first!
  return EXIT.partial
}
