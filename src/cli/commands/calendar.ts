import type { Command } from 'commander'
import { UsageError } from '../../core/errors.ts'
import type { TradingSession } from '../../market/calendar/index.ts'
import { day } from '../arguments.ts'
import type { Cli } from '../cli.ts'
import type { BareContext } from '../context.ts'
import { examples } from '../program-text.ts'

interface CalendarFlags {
  readonly exchange: string
  readonly from?: string
  readonly to?: string
}

/** Days shown when `--to` is not given. */
const DEFAULT_DAYS = 30

export function register(program: Command, cli: Cli): void {
  const command = program
    .command('calendar')
    .description('sessions of an exchange: dates, opening and closing instants, holidays')
    .option('--exchange <code>', 'market identifier code: XNYS, XCBO, XCME', 'XNYS')
    .option('--from <date>', 'first day, YYYY-MM-DD (default today)', day)
    .option('--to <date>', `last day, inclusive (default ${DEFAULT_DAYS} days after --from)`, day)
    .action(cli.bareAction(calendar))
  examples(
    command,
    ['calendar --from 2025-06-30 --to 2025-07-11', 'sessions of the New York exchanges'],
    ['calendar --exchange XCME --json', 'index futures, the next month, as JSON'],
  )
}

async function calendar(context: BareContext, flags: CalendarFlags): Promise<void> {
  const { calendarOf } = await import('../../market/calendar/index.ts')
  const { addDays, parseDate } = await import('../../market/time.ts')
  const exchange = calendarOf(flags.exchange)
  const from = parseDate(flags.from ?? (await today(context, exchange.timeZone)))
  const to = flags.to === undefined ? addDays(from, DEFAULT_DAYS) : parseDate(flags.to)
  if (from > to) throw new UsageError(`--from ${from} is after --to ${to}`)
  const sessions = exchange.between(from, to)

  const { out } = context
  if (context.flags.json) {
    const closures = [...closuresBetween(exchange, from, to, addDays)]
    const { code, name, timeZone } = exchange
    out.json('tapelake.calendar', 1, {
      ...{ exchange: code, name, timeZone, from, to },
      sessions: sessions.map(sessionDocument),
      closures,
    })
    return
  }
  if (sessions.length === 0) return out.note(`${exchange.code} has no session from ${from} to ${to}.`)
  await out.table(
    ['date', 'opens (UTC)', 'closes (UTC)', 'extended opens', 'extended closes', ''],
    sessions.map(sessionRow),
  )
}

async function today(context: BareContext, timeZone: string): Promise<string> {
  const { pretendNowMs = Date.now() } = await context.loadConfig()
  return new Intl.DateTimeFormat('sv-SE', { timeZone }).format(pretendNowMs)
}

const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')

function sessionDocument(session: TradingSession): object {
  const { date, openMs, closeMs, extendedOpenMs, extendedCloseMs, earlyClose } = session
  return {
    date,
    open: iso(openMs),
    close: iso(closeMs),
    extendedOpen: iso(extendedOpenMs),
    extendedClose: iso(extendedCloseMs),
    earlyClose,
  }
}

function sessionRow(session: TradingSession): string[] {
  const { date, openMs, closeMs, extendedOpenMs, extendedCloseMs, earlyClose } = session
  const instants = [openMs, closeMs, extendedOpenMs, extendedCloseMs].map(iso)
  return [date, ...instants, earlyClose ? 'early close' : '']
}

/** Days without a session that a weekend does not explain. */
function* closuresBetween(
  exchange: { closedReason(date: string): string | undefined },
  from: string,
  to: string,
  addDays: (date: string, days: number) => string,
): Iterable<{ date: string; reason: string }> {
  for (let date = from; date <= to; date = addDays(date, 1)) {
    const reason = exchange.closedReason(date)
    if (reason !== undefined && reason !== 'weekend') yield { date, reason }
  }
}
