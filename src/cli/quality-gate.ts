import { openLake } from '../lake/index.ts'
import { keysRead } from '../lake/reader/index.ts'
import { seriesKeyOf } from '../market/dataset.ts'
import { QualityError } from '../core/errors.ts'
import type { RunContext } from './context.ts'
import { scoreAll, worstFirst } from './quality-run.ts'

/** Sessions named in a refusal. */
const MAX_NAMED = 3

/** A statement, and DuckDB's syntax tree of it where it has one. */
export interface Statement {
  readonly sql: string
  readonly tree: unknown
}

/**
 * Refuses a query over sessions of bad quality: of every dataset that its text names, the series that its conditions
 * on the ticker (of options: the underlying) let through, or all. With `asOf`, as they stood at that instant.
 *
 * @throws {QualityError} naming the worst sessions
 */
export async function assertQuality(
  context: RunContext,
  { sql, tree }: Statement,
  least: number,
  asOf?: string,
): Promise<void> {
  const lake = await openLake(context.config.dataDir)
  try {
    const series = await lake.series()
    const keysOf = new Map(
      [...new Set(series.map(({ dataset }) => dataset))]
        .filter(({ name }) => new RegExp(`\\b${name}\\b`, 'i').test(sql))
        .map((dataset) => [dataset, keysRead(tree, dataset.name, seriesKeyOf(dataset))]),
    )
    const read = series.filter(({ dataset, ticker }) => {
      const keys = keysOf.get(dataset)
      return keys === 'all' || keys?.has(ticker) === true
    })
    const scores = await scoreAll(context, lake, read, { asOf })
    const bad = worstFirst(scores.filter(({ score }) => score !== null && score < least))
    if (bad.length === 0) return
    const worst = bad
      .slice(0, MAX_NAMED)
      .map(({ ticker, dataset, date, score }) => `${ticker} ${dataset} ${date} (${score})`)
    const more = bad.length > MAX_NAMED ? ` and ${bad.length - MAX_NAMED} more` : ''
    throw new QualityError(`quality below ${least}: ${worst.join(', ')}${more}`, {
      hint: 'See `tapelake quality`; close gaps with `tapelake gaps --repair`, or read with a lower --min-quality.',
    })
  } finally {
    await lake.close()
  }
}
