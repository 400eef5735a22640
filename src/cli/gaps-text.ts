import { isExplained, isRepairable, type Gap, type SeriesGaps } from '../pipeline/gaps/gap.ts'
import type { RepairedSession } from '../pipeline/gaps/repair.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'

/** Gaps listed for people; --json lists them all. */
const MAX_LISTED = 60

/** Prints what was found, and what a repair did, for people or as JSON. */
export async function printGaps(
  context: RunContext,
  { all, repair }: { readonly all: boolean; readonly repair: boolean },
  found: readonly SeriesGaps[],
  repaired: readonly RepairedSession[] = [],
): Promise<void> {
  const { out, flags, config } = context
  const listed = found.flatMap(({ gaps }) => gaps.filter((gap) => all || gap.reason !== 'no_trade'))
  if (flags.json) {
    const series = found.map(({ gaps, ...rest }) => ({ ...rest, gaps: gaps.filter(isOpen).length }))
    const done = repair ? { repaired: repaired.map(repairedDocument) } : {}
    return out.json('tapelake.gaps', 1, {
      ...{ dataDir: config.dataDir, series, gaps: listed.map(gapDocument), ...done },
    })
  }
  for (const one of repaired) out.line(repairedText(one))
  if (listed.length > 0) {
    await out.table(
      ['dataset', 'ticker', 'session', 'from (UTC)', 'to', 'minutes', 'reason', ''],
      listed.slice(0, MAX_LISTED).map(gapRow),
      { right: [5] },
    )
  }
  if (listed.length > MAX_LISTED) out.note(`… and ${listed.length - MAX_LISTED} more, see --json`)
  out.line(summaryText(found, listed))
}

const isOpen = (gap: Gap): boolean => !isExplained(gap)

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')

function gapDocument({ dataset, ticker, session, fromMs, toMs, minutes, reason, ...rest }: Gap): object {
  return { ticker, session, from: iso(fromMs), to: iso(toMs), minutes, reason, dataset, ...rest }
}

function repairedDocument({ added, ...rest }: RepairedSession): object {
  const spans = added.map(({ fromMs, toMs, minutes }) => ({ from: iso(fromMs), to: iso(toMs), minutes }))
  return { ...rest, added: spans }
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 16)

function gapRow({ dataset, ticker, session, fromMs, toMs, minutes, reason, ...rest }: Gap): string[] {
  const said = rest.confirmed ? `${rest.detail}; confirmed` : rest.detail
  const detail = rest.contract === undefined ? said : `${rest.contract}: ${said}`
  const size = rest.kind === 'rows' ? `${minutes} rows` : String(minutes)
  return [dataset, ticker, session, clock(fromMs), clock(toMs), size, reason, detail]
}

function repairedText(one: RepairedSession): string {
  const { ticker, dataset, session, outcome, rowsBefore, rowsAfter, detail } = one
  const where = `${ticker} ${dataset} ${session}`
  if (outcome === 'confirmed') return `${where}: the vendor answered as before`
  if (outcome === 'failed') return `${where}: not closed: ${detail ?? 'no reason given'}`
  return `${where}: ${formatNumber(rowsBefore)} rows before, ${formatNumber(rowsAfter)} now`
}

function summaryText(found: readonly SeriesGaps[], listed: readonly Gap[]): string {
  const sessions = found.reduce((sum, one) => sum + one.sessions, 0)
  const looked = `${plural(found.length, 'series', 'series')}, ${plural(sessions, 'session')}`
  const open = listed.filter(isOpen)
  if (open.length === 0) return `No gap that is not explained in ${looked}.`
  const sum = (isRows: boolean): number =>
    open.reduce((all, gap) => all + ((gap.kind === 'rows') === isRows ? gap.minutes : 0), 0)
  const size = [
    ...(open.some(({ kind }) => kind !== 'rows') ? [plural(sum(false), 'minute')] : []),
    ...(sum(true) > 0 ? [plural(sum(true), 'row')] : []),
  ]
  const advice = open.some(isRepairable)
    ? ' Close them with --repair.'
    : ' The plan does not cover them; after an upgrade, backfill --force asks again.'
  return `${[plural(open.length, 'gap'), ...size].join(', ')}, in ${looked}.${advice}`
}
