import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeFolder, replaceFile } from '../../lake/durable.ts'
import { dataPaths, encodeTicker, type SeriesId } from '../../lake/layout.ts'
import type { SessionQuality } from './series-quality.ts'

const SCHEMA = { name: 'tapelake.scores', version: 1 } as const

const scoresPath = (root: string, { dataset, ticker }: SeriesId): string =>
  join(dataPaths(root).state, 'quality', dataset.name, `${encodeTicker(ticker)}.json`)

/**
 * Keeps scores beside the cells of a series: one line a session, with the digest of the rows that were judged, so that
 * a score of other rows is known as such. Sessions that were not scored now keep what they had.
 */
export async function saveScores(
  root: string,
  series: SeriesId,
  scores: readonly SessionQuality[],
): Promise<void> {
  const sessions = { ...(await readScores(root, series)) }
  for (const { date, dataset: _dataset, ticker: _ticker, ...score } of scores) sessions[date] = score
  const lines = Object.keys(sessions)
    .sort()
    .map((date) => `    ${JSON.stringify(date)}: ${JSON.stringify(sessions[date])}`)
  const head = { schema: SCHEMA, dataset: series.dataset.name, ticker: series.ticker }
  const text = `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "sessions": {\n${lines.join(',\n')}\n  }\n}\n`
  const path = scoresPath(root, series)
  await makeFolder(dirname(path))
  await replaceFile(path, text)
}

/** A score as it is kept. */
export type KeptScore = Omit<SessionQuality, 'dataset' | 'ticker' | 'date'>

/** Scores kept of a series, by session. A file that is not there or damaged holds none: they can be made anew. */
export async function readScores(
  root: string,
  series: SeriesId,
): Promise<Readonly<Record<string, KeptScore>>> {
  const text = await readFile(scoresPath(root, series), 'utf8').catch(() => '{}')
  try {
    const { schema, sessions } = JSON.parse(text) as {
      schema?: { version?: unknown }
      sessions?: Record<string, KeptScore>
    }
    return schema?.version === SCHEMA.version ? (sessions ?? {}) : {}
  } catch {
    return {}
  }
}
