import type { Redactor } from '../../core/redact.ts'
import type { Settings } from '../../core/config/index.ts'
import type { PageEvent, PageVerdict } from '../../sources/polygon/options.ts'
import type { LiveRows } from '../../sources/polygon/socket/event-table.ts'
import type { Baseline, Observation } from './observation.ts'
import { observeLive, observePage } from './observe.ts'
import { keepRawPage, type RawPage } from './raw-pages.ts'
import { changeDrift, readDrift, sweepDrift, type DriftEntry, type DriftState } from './store.ts'

export interface DriftWatchOptions {
  readonly root: string
  /** The run that asks. */
  readonly runId: string
  readonly settings: Settings['drift']
  /** Who is asked. */
  readonly source: string
  readonly now: () => number
  /** Takes secrets out of what is kept: a vendor may echo the key. */
  readonly redactor: Redactor
  /** Called on `close`, with what changed and was not told of on this day yet. */
  readonly onAlert?: (entries: readonly DriftEntry[]) => Promise<void>
}

/**
 * Compares every page with the definition of its dataset, notes what differs, keeps such pages as they were sent, and
 * says what the contract of the field wants done with them. Nothing is written before `close` but pages.
 */
export class DriftWatch {
  readonly #options: DriftWatchOptions
  #state: DriftState
  readonly #seen = new Map<string, DriftEntry>()
  readonly #baselines = new Map<string, Map<string, Baseline>>()
  readonly #keeping: Promise<unknown>[] = []

  private constructor(options: DriftWatchOptions, state: DriftState) {
    this.#options = options
    this.#state = state
  }

  static async open(options: DriftWatchOptions): Promise<DriftWatch> {
    await sweepDrift(options.root)
    return new DriftWatch(options, await readDrift(options.root))
  }

  /** For `onPage` of the source. */
  readonly onPage = (page: PageEvent): PageVerdict | undefined => {
    const known = this.#baselinesOf(page)
    const { observations, baselines } = observePage(page, known, this.#options.settings.rangeRatio)
    for (const [field, baseline] of baselines) known.set(field, baseline)
    if (observations.length === 0) return undefined
    for (const one of observations) this.#note(page, one)
    this.#keep(page)
    return this.#verdict(page, observations)
  }

  /** For every batch of live rows; says why they are not to be trusted, where the contract of a field refuses them. */
  readonly onLive = (rows: LiveRows): string | undefined => {
    const observations = observeLive(rows)
    if (observations.length === 0) return undefined
    const { dataset, batch } = rows
    const sample = batch.sentText?.(0) ?? 'null'
    for (const one of observations) this.#note({ dataset, body: Buffer.from(`{"results":[${sample}]}`) }, one)
    return this.#verdict({ dataset }, observations)?.why
  }

  #baselinesOf({ dataset, ticker }: PageEvent): Map<string, Baseline> {
    const key = `${dataset.name}/${ticker}`
    const known = this.#baselines.get(key) ?? new Map(Object.entries(this.#state.baselines[key] ?? {}))
    this.#baselines.set(key, known)
    return known
  }

  #note(page: Pick<PageEvent, 'dataset' | 'body'>, { field, change, count, to, detail }: Observation): void {
    const at = new Date(this.#options.now()).toISOString()
    const dataset = page.dataset.name
    const key = keyOf({ dataset, field, change, to })
    const before = this.#seen.get(key)
    this.#seen.set(key, {
      ...{ dataset, field, change, to, detail: detail ?? before?.detail },
      ...{ firstSeen: before?.firstSeen ?? at, lastSeen: at, count: (before?.count ?? 0) + count },
      ...{
        sample: before?.sample ?? this.#options.redactor.text(sampleOf(page.body, to ?? field)),
        contract: this.#contractOf(dataset, field),
      },
    })
  }

  #contractOf(dataset: string, field: string): Settings['drift']['contract'] {
    const { settings } = this.#options
    const name = `${dataset}.${field}`
    return (
      (['freeze', 'quarantine', 'evolve'] as const).find((one) => settings[one].includes(name)) ??
      settings.contract
    )
  }

  #keep({ dataset, ticker, path, requestId, body, constants }: PageEvent): void {
    const { root, runId, source, now, settings, redactor } = this.#options
    const keptAt = new Date(now()).toISOString()
    const page: RawPage = {
      ...{ dataset: dataset.name, ticker, source, keptAt, runs: [runId] },
      ...{ path: redactor.text(path), requestId: requestId && redactor.text(requestId) },
      body: redactor.text(body.toString('utf8')),
      ...(constants && { constants }),
    }
    const limits = { maxPages: settings.rawPages, maxBytes: settings.rawMb * 2 ** 20 }
    const last = this.#keeping.at(-1) ?? Promise.resolve()
    this.#keeping.push(last.then(() => keepRawPage(root, page, limits)).catch(() => false))
  }

  #verdict(
    { dataset }: Pick<PageEvent, 'dataset'>,
    observations: readonly Observation[],
  ): PageVerdict | undefined {
    for (const [contract, refuse] of [
      ['freeze', 'answer'],
      ['quarantine', 'rows'],
    ] as const) {
      const broken = observations.find(({ field }) => this.#contractOf(dataset.name, field) === contract)
      if (broken) return { refuse, why: `schema drift: ${driftText({ dataset: dataset.name, ...broken })}` }
    }
    return undefined
  }

  /** Writes down what was seen, and tells of what is new today. */
  async close(): Promise<void> {
    await Promise.all(this.#keeping)
    if (this.#seen.size === 0 && !this.#hasNewBaselines()) return
    const today = new Date(this.#options.now()).toISOString().slice(0, 10)
    const told: DriftEntry[] = []
    this.#state = await changeDrift(this.#options.root, (state) => {
      const entries = new Map(state.entries.map((entry) => [keyOf(entry), entry]))
      for (const [key, fresh] of this.#seen) {
        const before = entries.get(key)
        const merged = merge(before, fresh)
        if (merged.alertedOn !== today) told.push(merged)
        entries.set(key, { ...merged, alertedOn: today })
      }
      return { entries: [...entries.values()], baselines: this.#mergedBaselines(state) }
    })
    this.#seen.clear()
    if (told.length > 0) await this.#options.onAlert?.(told)
  }

  /** Baselines are for judging sizes: they are written when a field is new, not with every page. */
  #hasNewBaselines(): boolean {
    return [...this.#baselines].some(([key, fields]) =>
      [...fields.keys()].some((field) => this.#state.baselines[key]?.[field] === undefined),
    )
  }

  #mergedBaselines(state: DriftState): DriftState['baselines'] {
    const baselines = { ...state.baselines }
    for (const [key, fields] of this.#baselines) {
      baselines[key] = { ...baselines[key], ...Object.fromEntries(fields) }
    }
    return baselines
  }
}

const keyOf = ({
  dataset,
  field,
  change,
  to,
}: Pick<DriftEntry, 'dataset' | 'field' | 'change' | 'to'>): string =>
  [dataset, field, change, to ?? ''].join(' ')

function merge(before: DriftEntry | undefined, fresh: DriftEntry): DriftEntry {
  if (!before) return fresh
  const { firstSeen, sample, alertedOn } = before
  return { ...fresh, firstSeen, sample, alertedOn, count: before.count + fresh.count }
}

/** `equity_bars_1m.v is now called volume` */
export function driftText({
  dataset,
  field,
  change,
  to,
  detail,
}: Pick<DriftEntry, 'dataset' | 'field' | 'change' | 'to' | 'detail'>): string {
  const name = `${dataset}.${field}`
  switch (change) {
    case 'new':
      return `${name} is new`
    case 'renamed':
      return `${name} is now called ${to ?? 'something else'}`
    case 'missing':
      return `${name} is missing`
    case 'null':
      return `${name} is null`
    case 'retyped':
      return `${name} has another type`
    case 'range':
      return `${name} has other values: ${detail ?? ''}`
  }
}

const MAX_SAMPLE = 300

/** The first row that has `field`, else the first row. */
function sampleOf(body: Buffer, field: string): string {
  const { results } = JSON.parse(body.toString('utf8')) as { results?: unknown }
  const rows = (Array.isArray(results) ? results : [results]) as (Record<string, unknown> | null)[]
  const row = rows.find((one) => one !== null && typeof one === 'object' && field in one) ?? rows[0]
  return JSON.stringify(row ?? null).slice(0, MAX_SAMPLE)
}
