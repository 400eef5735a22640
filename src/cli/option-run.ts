import { EXIT, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths } from '../lake/layout.ts'
import type { SegmentSettings } from '../lake/stage-segment.ts'
import type { DatasetDefinition } from '../market/dataset.ts'
import { optionChain } from '../market/datasets/option-chain.ts'
import { optionContracts } from '../market/datasets/options.ts'
import { underlyingNamed } from '../market/underlyings.ts'
import { discover, type DiscoverResult } from '../pipeline/discover.ts'
import { sessionOf } from '../pipeline/discovery-session.ts'
import { openHistorySource, type SourceName } from '../pipeline/open-source.ts'
import { snapshotChain, type SnapshotResult } from '../pipeline/snapshot-chain.ts'
import type { OptionSource, PriceBasis } from '../sources/options.ts'
import type { RunContext } from './context.ts'
import { driftOf } from './drift-alert.ts'
import { formatNumber, plural } from './format.ts'
import type { MetricsFlags } from './metrics-flags.ts'
import { sourceLog } from './source-log.ts'

/** Flags that `discover` and `snapshot-chain` share. */
export interface UnderlyingFlags extends MetricsFlags {
  readonly underlying: string
  readonly source: SourceName
  readonly wait?: number
}

/** Flags of `discover`. */
export interface DiscoverFlags extends UnderlyingFlags {
  readonly date?: string
  readonly strikeRange: number
  readonly expiryDays: number
}

interface Means extends SegmentSettings {
  readonly root: string
  readonly runId: string
  readonly source: OptionSource
  readonly nowMs: number
  readonly lockWaitMs: number
  readonly onMended: (note: string) => void
}

/** Opens source and engine for `work`, and closes them whatever happens. */
export async function withMeans<T>(
  context: RunContext,
  flags: UnderlyingFlags,
  dataset: DatasetDefinition,
  work: (means: Means) => Promise<T>,
): Promise<T> {
  const { config, now, logger, runId, signals } = context
  const { settings, dataDir: root } = config
  const { engine: name, compression, rowGroupRows } = settings.sinks.parquet
  await checkDataDir(root, settings.disk.minFreeMb)
  const { telemetry } = context
  await telemetry.begin({
    command: dataset === optionChain ? 'snapshot-chain' : 'discover',
    tickers: [underlyingNamed(flags.underlying).symbol],
    metrics: flags,
  })
  const opened = await openHistorySource({
    kind: flags.source,
    settings,
    secrets: config.secrets,
    now,
    events: together(sourceLog(logger), telemetry.sourceEvents),
    patience: signals.graceful,
    caller: { label: `${dataset.name} ${flags.underlying}`, priority: 'discovery' },
    onProblem: (text) => logger.warn(text),
    drift: driftOf(context),
  })
  const engine = createEngine(name, { tempDirectory: dataPaths(root).scratch })
  try {
    engine.assertCanHold(dataset, compression)
    const onMended = (note: string): void => logger.warn(note)
    const lockWaitMs = (flags.wait ?? 0) * 1000
    const segments = { engine, compression, rowGroupRows }
    return await work({
      root,
      runId,
      source: opened.optionSource,
      nowMs: now(),
      lockWaitMs,
      onMended,
      ...segments,
    })
  } finally {
    await engine.close()
    await opened.close()
  }
}

/** What `discover` does. */
export async function runDiscover(context: RunContext, flags: DiscoverFlags): Promise<ExitCode> {
  const underlying = underlyingNamed(flags.underlying)
  sessionOf(flags.date, context.now()) // refused before anything is opened
  const { date, strikeRange, expiryDays } = flags
  return await withMeans(context, flags, optionContracts, async (means) => {
    const request = { underlying, date, strikeRange, expiryDays }
    const result = await discover(request, means, context.signals.immediate)
    context.telemetry.noteRows(result.discovery.contracts.length, result.refused)
    await printDiscovery(context, result, means.source.calls)
    return result.refused > 0 ? EXIT.partial : EXIT.ok
  })
}

const BASIS: Readonly<Record<PriceBasis, string>> = {
  open: 'opening price',
  pre_market: 'pre-market price: the session has not opened yet',
  last: 'last price: the session has no price yet',
  previous_close: 'close of the session before: there is no newer price yet',
}

async function printDiscovery(
  { out, flags }: RunContext,
  { discovery, path, refused }: DiscoverResult,
  calls: number,
): Promise<void> {
  const { contracts, ...head } = discovery
  if (flags.json) {
    const { schema, ...rest } = head
    return out.json(schema.name, schema.version, { ...rest, file: path, calls, refused, contracts })
  }
  const { underlying, date, price, priceBasis, strikeFrom, strikeTo, expiresFrom, expiresTo } = head
  out.line(`${underlying} ${date}: ${price} (${BASIS[priceBasis]})`)
  const until = expiresFrom === expiresTo ? expiresFrom : `${expiresFrom} to ${expiresTo}`
  const counts = (type: string): number => contracts.filter(({ contract_type: one }) => one === type).length
  const found = `${plural(contracts.length, 'contract')}: ${plural(counts('call'), 'call')}, ${plural(counts('put'), 'put')}`
  out.line(`strikes ${strikeFrom} to ${strikeTo}, expiring ${until}: ${found}`)
  if (head.reason !== undefined) out.line(head.reason)
  if (contracts.length > 0) {
    await out.table(
      ['expiration', 'strike', 'type', 'contract'],
      contracts.map((one) => [
        one.expiration_date,
        String(one.strike_price),
        one.contract_type,
        one.contract,
      ]),
      { right: [1] },
    )
  }
  if (refused > 0) out.line(`${plural(refused, 'row')} refused (quarantine)`)
  out.line(`saved to ${path} (${plural(calls, 'call')})`)
}

/** What `snapshot-chain` does. */
export async function runSnapshotChain(context: RunContext, flags: UnderlyingFlags): Promise<ExitCode> {
  const underlying = underlyingNamed(flags.underlying)
  return await withMeans(context, flags, optionChain, async (means) => {
    const result = await snapshotChain(underlying, means, context.signals.immediate)
    context.telemetry.noteRows(result.contracts, result.refused)
    printSnapshot(context, result, means.source.calls)
    return result.refused > 0 ? EXIT.partial : EXIT.ok
  })
}

function printSnapshot({ out, flags, runId }: RunContext, result: SnapshotResult, calls: number): void {
  const { snapshotMs, ...rest } = result
  const snapshotTime = new Date(snapshotMs).toISOString()
  if (flags.json) return out.json('tapelake.snapshot', 1, { run: runId, snapshotTime, ...rest, calls })
  const { underlying, sessionDate, contracts, withVolatility, withQuote, traded, refused } = result
  out.line(`${underlying} chain at ${snapshotTime}, session ${sessionDate}: ${plural(contracts, 'contract')}`)
  const parts = [
    `${formatNumber(withVolatility)} with implied volatility`,
    `${formatNumber(withQuote)} with a quote`,
    `${formatNumber(traded)} traded`,
    ...(refused > 0 ? [`${plural(refused, 'row')} refused (quarantine)`] : []),
  ]
  out.line(`${parts.join(', ')}; ${plural(calls, 'call')}`)
}
