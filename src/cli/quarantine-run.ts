import { EXIT, type ExitCode } from '../core/errors.ts'
import { automaticFolder, backUpFirst } from '../lake/backup/backup.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { liveEntries } from '../lake/kept-events.ts'
import { dataPaths } from '../lake/layout.ts'
import { quarantineEntries, quarantineEntry, type QuarantineEntry } from '../lake/quarantine-entries.ts'
import type { QuarantinedRow } from '../lake/quarantine.ts'
import { dropEntry, releaseEntry, type QuarantineOptions } from '../pipeline/quarantine.ts'
import { confirm } from './confirm.ts'
import type { RunContext } from './context.ts'
import { formatNumber, plural } from './format.ts'
import {
  describedLive,
  dropLive,
  exactJson,
  liveEntry,
  releasesNoEvent,
  showLive,
  type ChangeFlags,
} from './quarantine-live.ts'
import { seriesFilter, type SeriesFlags } from './series-flags.ts'

/** Rows shown to people; --json shows them all. */
const MAX_ROWS = 20

/** `quarantine list` */
export async function list({ config, out, flags }: RunContext, only: SeriesFlags): Promise<void> {
  const entries: object[] = []
  const rows: string[][] = []
  for await (const entry of quarantineEntries(config.dataDir, await seriesFilter(only))) {
    const { id, dataset, ticker, session, rule, reason, rows: count } = described(entry)
    entries.push(described(entry))
    rows.push([id, dataset, ticker, session, formatNumber(count), rule, reason])
  }
  const isWhole = only.dataset === undefined && only.ticker === undefined
  for (const entry of isWhole ? await liveEntries(config.dataDir) : []) {
    const { id, dataset, ticker, session, rule, reason, rows: count } = describedLive(entry)
    entries.push(describedLive(entry))
    rows.push([id, dataset, ticker, session, formatNumber(count), rule, reason])
  }
  if (flags.json)
    return out.json('tapelake.quarantine', 1, { dataDir: config.dataDir, count: entries.length, entries })
  if (rows.length === 0) return out.note('Nothing is in quarantine.')
  await out.table(['id', 'dataset', 'ticker', 'session', 'rows', 'rule', 'first reason'], rows, {
    right: [4],
  })
}

/** `quarantine show` */
export async function show(context: RunContext, _: object, id: string): Promise<void> {
  const { config, out, flags } = context
  const live = await liveEntry(config.dataDir, id)
  if (live) return showLive(context, live)
  const entry = await quarantineEntry(config.dataDir, id)
  const { rows } = entry
  if (flags.json) {
    return out.json('tapelake.quarantine-entry', 1, { ...described(entry), entries: rows.map(detailed) })
  }
  const { dataset, ticker, session, rule, when } = described(entry)
  out.line(`${id}: ${plural(rows.length, 'row')} of ${dataset} ${ticker} ${session}, ${rule}, ${when}`)
  for (const row of rows.slice(0, MAX_ROWS)) {
    out.line(`\n  ${row.reason}`)
    out.line(`  ${row.sent ?? JSON.stringify(row.row)}`)
    out.line(`  from ${row.source ?? 'unknown'} ${row.request ?? ''} (run ${row.run})`)
  }
  if (rows.length > MAX_ROWS) out.line(`\nand ${rows.length - MAX_ROWS} more; --json shows them all`)
}

function described({ id, series, session, rule, reason, when, rows }: QuarantineEntry) {
  const { dataset, ticker } = series
  return { id, dataset: dataset.name, ticker, session, rule, reason, rows: rows.length, when }
}

/** `raw`: the row as sent, integers beyond 2^53 as text; `sent`: the very bytes. Null where no text was sent. */
function detailed({ row: values, sent, ...story }: QuarantinedRow): object {
  return { ...story, raw: sent === undefined ? values : exactJson(sent), values, sent: sent ?? null }
}

/** `quarantine release` */
export async function release(
  context: RunContext,
  flags: ChangeFlags & { readonly force?: boolean },
  id: string,
): Promise<void> {
  if (await liveEntry(context.config.dataDir, id)) throw releasesNoEvent(id)
  const entry = await quarantineEntry(context.config.dataDir, id)
  const rows = await withOptions(context, flags, (options) =>
    releaseEntry(id, { ...options, force: flags.force ?? false }),
  )
  tell(context, entry, 'released', rows)
}

/** `quarantine drop` */
export async function drop(
  context: RunContext,
  flags: ChangeFlags & { readonly yes?: boolean },
  id: string,
): Promise<ExitCode | undefined> {
  const { config, signals, out } = context
  const live = await liveEntry(config.dataDir, id)
  if (live) return await dropLive(context, flags, live)
  const entry = await quarantineEntry(config.dataDir, id)
  const { dataset, ticker, rule, session } = described(entry)
  const what = `${plural(entry.rows.length, 'row')} of ${dataset} ${ticker} ${session} (${rule})`
  if (!flags.yes && !(await confirm(`Drop ${what} for good?`, signals.immediate))) {
    out.note('Nothing was changed.')
    return EXIT.failed
  }
  const rows = await withOptions(context, flags, async (options) => {
    const only = entry.series
    const backup = await backUpFirst({ ...options, only, nowMs: context.now(), automatic: 'quarantine drop' })
    out.note(
      `Backed up first: tapelake restore ${automaticFolder(options.root)} --at ${backup} takes it back.`,
    )
    return await dropEntry(id, options)
  })
  tell(context, entry, 'dropped', rows)
  return undefined
}

async function withOptions<T>(
  context: RunContext,
  { wait = 0 }: ChangeFlags,
  work: (options: Omit<QuarantineOptions, 'force'>) => Promise<T>,
): Promise<T> {
  const { config, runId, signals, logger } = context
  const { settings, dataDir: root } = config
  const { engine: name, compression, rowGroupRows } = settings.sinks.parquet
  await checkDataDir(root, settings.disk.minFreeMb)
  const engine = createEngine(name, { tempDirectory: dataPaths(root).scratch })
  try {
    return await work({
      ...{ root, runId, engine, compression, rowGroupRows },
      lockWaitMs: wait * 1000,
      signal: signals.immediate,
      onMended: (note) => logger.warn(note),
    })
  } finally {
    await engine.close()
  }
}

function tell(
  { out, flags }: RunContext,
  entry: QuarantineEntry,
  what: 'released' | 'dropped',
  rows: number,
) {
  const { id, dataset, ticker, session, rule } = described(entry)
  if (flags.json)
    return out.json(`tapelake.quarantine-${what}`, 1, { id, dataset, ticker, session, rule, rows })
  out.line(`${id}: ${plural(rows, 'row')} ${what}.`)
}
