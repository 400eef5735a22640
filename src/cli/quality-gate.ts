import { openLake } from '../lake/index.ts'
import { QualityError } from '../core/errors.ts'
import type { RunContext } from './context.ts'
import { scoreAll, worstFirst } from './quality-run.ts'

/** Sessions named in a refusal. */
const MAX_NAMED = 3

/**
 * Refuses a query over sessions of bad quality. What it reads is judged by its text: every dataset that it names, and
 * of their tickers those that it quotes, or all where it quotes none. With `asOf`, as they stood at that instant.
 *
 * @throws {QualityError} naming the worst sessions
 */
export async function assertQuality(
  context: RunContext,
  sql: string,
  least: number,
  asOf?: string,
): Promise<void> {
  const lake = await openLake(context.config.dataDir)
  try {
    const named = (await lake.series()).filter(({ dataset }) =>
      new RegExp(`\\b${dataset.name}\\b`, 'i').test(sql),
    )
    const quoted = named.filter(({ ticker }) => sql.includes(`'${ticker}'`))
    const scores = await scoreAll(context, lake, quoted.length > 0 ? quoted : named, { asOf })
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
