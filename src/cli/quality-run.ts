import { EXIT, UsageError, type ExitCode } from '../core/errors.ts'
import { createEngine } from '../lake/engines/index.ts'
import { openLake, type Lake } from '../lake/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { parseDate } from '../market/time.ts'
import { lensAsOf } from '../pipeline/quality/as-of.ts'
import { PART_NAMES } from '../pipeline/quality/score.ts'
import { scoreSeries, type SessionQuality } from '../pipeline/quality/series-quality.ts'
import { saveScores } from '../pipeline/quality/store.ts'
import type { RunContext } from './context.ts'
import { plural } from './format.ts'
import { flagsText, heldText, seriesFilter, type SeriesFlags } from './series-flags.ts'
import { openWebhook } from './webhook.ts'

/** Flags of `quality`. */
export interface QualityFlags extends SeriesFlags {
  readonly from?: string
  readonly to?: string
  readonly min?: number
}

/** Sessions listed for people; --json lists them all. */
const MAX_LISTED = 40

/** What `quality` does. Splits, dividends and other facts of a day have no session to fill: only where they are named. */
export async function quality(context: RunContext, flags: QualityFlags): Promise<ExitCode> {
  for (const date of [flags.from, flags.to]) if (date !== undefined) parseDate(date)
  const lake = await openLake(context.config.dataDir)
  try {
    const held = await lake.series(await seriesFilter(flags))
    const wanted = held.filter(({ dataset }) => flags.dataset !== undefined || dataset.eventKind !== 'date')
    const given = flagsText(flags)
    if (wanted.length === 0 && given !== '')
      throw new UsageError(`nothing recorded matches ${given}`, { hint: await heldText(lake) })
    const scores = await scoreAll(context, lake, wanted, flags)
    await giveAlert(context, scores)
    await print(context, flags, scores)
    const { min } = flags
    return min !== undefined && scores.some((one) => isBelow(one, min)) ? EXIT.quality : EXIT.ok
  } finally {
    await lake.close()
  }
}

const isBelow = ({ score }: SessionQuality, least: number): boolean => score !== null && score < least

/**
 * Scores of every session of `wanted`; they are kept beside the ledger as well, where that can be written.
 *
 * @param range `asOf`: the lake is judged as it stood at this instant; such scores are not kept
 */
export async function scoreAll(
  context: RunContext,
  lake: Lake,
  wanted: readonly SeriesId[],
  { asOf, ...range }: { readonly from?: string; readonly to?: string; readonly asOf?: string | undefined },
): Promise<SessionQuality[]> {
  const { config, now, signals, logger } = context
  const root = config.dataDir
  const engine = createEngine('duckdb', { tempDirectory: dataPaths(root).scratch })
  const live = { engine, view: (one: SeriesId) => lake.view(one) }
  const lens = asOf === undefined ? live : lensAsOf(root, live, asOf)
  const nowMs = asOf === undefined ? now() : Date.parse(asOf)
  const progress = await context.progress({ total: wanted.length, label: 'quality' })
  const scores: SessionQuality[] = []
  try {
    for (const [i, series] of wanted.entries()) {
      signals.immediate.throwIfAborted()
      const found = await scoreSeries(await lens.view(series), {
        ...{ root, nowMs, from: range.from, to: range.to, ...lens },
        thresholds: config.settings.quality,
      })
      scores.push(...found)
      if (asOf === undefined) {
        await saveScores(root, series, found).catch((error: unknown) => {
          logger.info({ err: error }, 'scores could not be kept')
        })
      }
      progress.update(i + 1, { at: `${series.dataset.name} ${series.ticker}` })
    }
    return scores
  } finally {
    progress.stop()
    await engine.close()
  }
}

/** One alert for all sessions below `quality.alertBelow`. */
async function giveAlert(context: RunContext, scores: readonly SessionQuality[]): Promise<void> {
  const { alertBelow } = context.config.settings.quality
  const bad = worstFirst(scores.filter((one) => isBelow(one, alertBelow)))
  if (bad.length === 0) return
  const { ticker, dataset, date, score } = bad[0]!
  const text = `${plural(bad.length, 'session')} below quality ${alertBelow}; worst: ${ticker} ${dataset} ${date} with ${score}`
  context.logger.warn({ alert: 'quality', sessions: bad.length }, text)
  const webhook = openWebhook(context)
  webhook?.send({
    kind: 'quality',
    severity: 'warning',
    text,
    fields: { sessions: bad.length, ticker, date },
  })
  await webhook?.settled()
}

export const worstFirst = (scores: readonly SessionQuality[]): SessionQuality[] =>
  [...scores].sort((a, b) => (a.score ?? 1) - (b.score ?? 1) || (a.date < b.date ? -1 : 1))

async function print(
  { out, flags: { json }, config }: RunContext,
  { min }: QualityFlags,
  scores: readonly SessionQuality[],
): Promise<void> {
  const below = min === undefined ? scores : scores.filter((one) => isBelow(one, min))
  if (json) {
    const sessions = scores.map(({ date, score, ...rest }) => ({ date, score, ...rest }))
    const gate = min === undefined ? {} : { min, below: below.length }
    return out.json('tapelake.quality', 1, { dataDir: config.dataDir, ...gate, sessions })
  }
  const scored = below.filter(({ score }) => score !== null)
  const listed = worstFirst(scored).slice(0, MAX_LISTED)
  if (listed.length > 0) {
    await out.table(['session', 'dataset', 'ticker', 'score', 'lowered by', ''], listed.map(row), {
      right: [3],
    })
  }
  if (scored.length > listed.length) out.note(`… and ${scored.length - listed.length} more, see --json`)
  const looked = plural(scores.length, 'session')
  if (min !== undefined) out.line(`${plural(below.length, 'session')} of ${scores.length} below ${min}.`)
  else out.line(scores.length === 0 ? 'Nothing to score.' : `${looked} scored.`)
}

function row({ date, dataset, ticker, score, parts, notes }: SessionQuality): string[] {
  const low = PART_NAMES.filter((name) => (parts[name] ?? 1) < 1).map(
    (name) => `${name} ${(parts[name] ?? 0).toFixed(2)}`,
  )
  return [date, dataset, ticker, (score ?? 0).toFixed(4), low.join(', '), notes.join('; ')]
}
