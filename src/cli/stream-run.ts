import { UsageError, type ExitCode } from '../core/errors.ts'
import { together } from '../core/together.ts'
import { checkDataDir } from '../lake/data-dir.ts'
import { createEngine } from '../lake/engines/index.ts'
import { dataPaths, type SeriesId } from '../lake/layout.ts'
import { claimSocket } from '../lake/owner-lock.ts'
import { registerProcess } from '../lake/process-registry.ts'
import { calendarOf, type TradingSession } from '../market/calendar/index.ts'
import { underlyingNamed } from '../market/underlyings.ts'
import { loadContracts } from '../pipeline/discovery.ts'
import { channelOf, type Channel, type LiveCluster } from '../pipeline/stream/channels.ts'
import { openStreamVendor, type OpenedVendor } from '../pipeline/stream/open-vendor.ts'
import { streamSession } from '../pipeline/stream/stream.ts'
import { accountScope } from '../sources/polygon/socket/hosts.ts'
import type { RunContext } from './context.ts'
import { driftOf } from './drift-alert.ts'
import { shortList } from './format.ts'
import type { LiveFlags, StreamFlags, StreamOptionsFlags } from './stream-flags.ts'
import { printStream } from './stream-summary.ts'
import { StreamWatch } from './stream-watch.ts'

/** How long a commit waits for another writer of a series before it is put off. */
const LOCK_WAIT_MS = 10_000
const MS_PER_HOUR = 3_600_000
/** A day of ticks is written anew again and again, beside the feed: on one thread, and spilling to the disk above this. */
const ENGINE = { memoryLimitMb: 256, threads: 1 }

interface Wanted {
  readonly cluster: LiveCluster
  readonly channels: readonly Channel[]
  readonly symbols: readonly string[]
  readonly series: readonly SeriesId[]
  /** Options on anything but an index trade from the open on; one call a contract would look for the night before it. */
  readonly regularHoursOnly?: boolean
  /** Session to record; default the one under way, or the next one today. The simulator plays the last finished one. */
  readonly date: string | undefined
}

/** What `stream` does. */
export async function stream(context: RunContext, flags: StreamFlags): Promise<ExitCode> {
  const channels = (flags.channel ?? ['AM']).map((name) => channelOf(name, 'stocks'))
  const contract = flags.ticker.find((ticker) => ticker.startsWith('O:'))
  if (contract !== undefined) {
    throw new UsageError(`${contract} is an option contract`, { hint: 'Options: tapelake stream-options.' })
  }
  const series = channels.flatMap(({ dataset }) => flags.ticker.map((ticker) => ({ dataset, ticker })))
  return await record(context, flags, {
    ...{ cluster: 'stocks', channels, symbols: flags.ticker, series, date: flags.date },
  })
}

/** What `stream-options` does. */
export async function streamOptions(context: RunContext, flags: StreamOptionsFlags): Promise<ExitCode> {
  const { out, config, flags: global } = context
  const { symbol, isIndex } = underlyingNamed(flags.underlying)
  const discovery = await loadContracts(config.dataDir, symbol, flags.date)
  const symbols = discovery.contracts.map(({ contract }) => contract)
  const { maxContracts } = config.settings.stream
  if (symbols.length > maxContracts) {
    throw new UsageError(
      `${symbols.length} contracts are more than one connection may have (${maxContracts})`,
      {
        hint: 'Discover fewer (--strike-range, --expiry-days), or raise stream.maxContracts.',
      },
    )
  }
  if (symbols.length === 0) {
    const reason = `no contracts of ${symbol} on ${flags.date}: ${discovery.reason ?? 'none were discovered'}`
    if (global.json)
      out.json('tapelake.stream', 1, { run: context.runId, source: flags.source, end: 'closed', reason })
    else out.line(reason)
    return 0
  }
  const channel = channelOf('AM', 'options')
  const series = [{ dataset: channel.dataset, ticker: symbol }]
  return await record(context, flags, {
    ...{ cluster: 'options', channels: [channel], symbols, series, date: flags.date },
    regularHoursOnly: !isIndex,
  })
}

async function record(context: RunContext, flags: LiveFlags, wanted: Wanted): Promise<ExitCode> {
  const { config, signals } = context
  refuseSpeed(flags)
  await checkDataDir(config.dataDir, config.settings.disk.minFreeMb)
  const { telemetry } = context
  await telemetry.begin({
    command: wanted.cluster === 'options' ? 'stream-options' : 'stream',
    tickers: wanted.series.map(({ ticker }) => ticker),
    metrics: flags,
  })
  const watch = new StreamWatch(context)
  const claim = await claimFor(context, flags, wanted)
  const entry = await registerProcess(config.dataDir, {
    ...{ kind: 'stream', command: 'stream', run: context.runId, state: 'recording', ticker: namesOf(wanted) },
  })
  try {
    const opened = await openStreamVendor({
      ...{ kind: flags.source, cluster: wanted.cluster, settings: config.settings },
      ...{
        secrets: config.secrets,
        now: context.now,
        events: together(watch.sourceEvents, telemetry.sourceEvents),
      },
      patience: signals.graceful,
      caller: { label: `stream ${namesOf(wanted)}`, priority: 'repair' },
      onProblem: (text) => context.logger.warn(text),
      drift: driftOf(context),
      play: { ...playOf(context, wanted), speed: flags.speed ?? 'max' },
    })
    try {
      return await recordFrom(context, flags, wanted, { opened, watch })
    } finally {
      await opened.close()
    }
  } finally {
    await watch.settled()
    await entry.remove()
    await claim?.release()
  }
}

const namesOf = ({ series }: Pick<Wanted, 'series'>): string => shortList(series.map(({ ticker }) => ticker))

function refuseSpeed({ source, speed }: LiveFlags): void {
  if (speed === undefined || source === 'simulator') return
  throw new UsageError('--speed goes with --source simulator', { hint: 'A real market has its own speed.' })
}

/** One owner of a socket per account, cluster and machine. The embedded simulator's socket is nobody else's. */
async function claimFor(
  { config, signals, out }: RunContext,
  { source, takeOver = false }: LiveFlags,
  { cluster, series }: Wanted,
) {
  const { polygonApiKey: apiKey } = config.secrets
  if (source === 'simulator' || apiKey === undefined) return undefined
  const scope = accountScope(config.settings.sources.polygon.wsUrl)
  const purpose = `stream of ${namesOf({ series })}`
  return await claimSocket(
    {
      ...{ apiKey, cluster, scope, purpose, takeOver },
      onTakeOver: ({ pid, signal }) => out.note(`took over the socket: ${signal} to process ${pid}`),
    },
    signals.graceful,
  )
}

/** The simulator plays a session from its extended open until an hour after its extended close. */
function playOf({ now }: RunContext, { channels, date }: Wanted): { fromMs: number; untilMs: number } {
  const calendar = calendarOf(channels[0]!.dataset.calendar)
  if (date === undefined) return spanOf(calendar.lastFinished(now()))
  const session = calendar.on(date)
  if (session) return spanOf(session)
  throw new UsageError(
    `${date} is not a session of ${calendar.name}: ${calendar.closedReason(date) ?? 'closed'}`,
    {
      hint: `The next one is ${calendar.next(date).date}.`,
    },
  )
}

const spanOf = ({ extendedOpenMs, extendedCloseMs }: TradingSession) => ({
  fromMs: extendedOpenMs,
  untilMs: extendedCloseMs + MS_PER_HOUR,
})

async function recordFrom(
  context: RunContext,
  flags: LiveFlags,
  wanted: Wanted,
  { opened: { vendor }, watch }: { readonly opened: OpenedVendor; readonly watch: StreamWatch },
): Promise<ExitCode> {
  const { config, signals, runId, logger } = context
  const { engine: name, compression, rowGroupRows } = config.settings.sinks.parquet
  const engine = createEngine(name, {
    tempDirectory: dataPaths(config.dataDir).scratch,
    ...ENGINE,
  })
  try {
    for (const { dataset } of wanted.series) engine.assertCanHold(dataset, compression)
    const summary = await streamSession({
      ...wanted,
      vendor,
      lake: {
        ...{ root: config.dataDir, runId, engine, compression, rowGroupRows },
        ...{ sourceName: flags.source, lockWaitMs: LOCK_WAIT_MS },
        provenance: () => vendor.history.provenance,
        onMended: (note) => logger.warn(note),
        lateDays: config.settings.versions.lateDays,
        now: context.now,
      },
      // The simulator plays a session of the past: its events tell the time.
      ignoreHours: flags.source === 'simulator' || (flags.ignoreHours ?? false),
      now: runningClock(context),
      times: config.settings.stream,
      graceful: signals.graceful,
      immediate: signals.immediate,
      hooks: together(watch.hooks, context.telemetry.streamHooks),
    })
    return await printStream(context, flags.source, summary)
  } finally {
    await engine.close()
  }
}

/** The clock of the machine; or one that goes on from what TAPELAKE_NOW says: a market does not stand still. */
function runningClock({ config: { pretendNowMs, pretendSpeed } }: RunContext): () => number {
  if (pretendNowMs === undefined) return () => Date.now()
  const startedMs = performance.now()
  return () => pretendNowMs + Math.floor((performance.now() - startedMs) * pretendSpeed)
}
