import { z } from 'zod'
import type { SeriesId } from './layout.ts'
import { originSchema, type SegmentOrigin } from './ledger.ts'

/** What the footer of a segment tells about its rows, so that a single file can be traced. */
interface SegmentStory {
  readonly series: SeriesId
  readonly partition: string
  readonly runId: string
  readonly provenance: 'real' | 'synthetic'
  readonly origins: readonly SegmentOrigin[]
  readonly unfinished: readonly string[]
}

/** Key-value metadata of a segment. `tapelake.origins` is JSON, the others are plain text. */
export function segmentMetadata(story: SegmentStory, writtenAt: string): Record<string, string> {
  const { series, partition, runId, provenance, origins, unfinished } = story
  const { dataset, ticker } = series
  const froms = origins.map(({ from }) => from).sort()
  const tos = origins.map(({ to }) => to).sort()
  return {
    'tapelake.dataset': dataset.name,
    'tapelake.dataset_version': String(dataset.version),
    'tapelake.ticker': ticker,
    'tapelake.partition': partition,
    'tapelake.provenance': provenance,
    'tapelake.source': [...new Set(origins.map(({ source }) => source))].sort().join(','),
    'tapelake.run_id': runId,
    'tapelake.request_range': `${froms[0] ?? ''}/${tos.at(-1) ?? ''}`,
    'tapelake.written_at': writtenAt,
    'tapelake.origins': JSON.stringify(origins),
    ...(unfinished.length > 0 && { 'tapelake.unfinished': unfinished.join(',') }),
  }
}

const storySchema = z.object({
  'tapelake.dataset': z.string(),
  'tapelake.dataset_version': z.coerce.number().int(),
  'tapelake.ticker': z.string(),
  'tapelake.partition': z.string(),
  'tapelake.run_id': z.string(),
  'tapelake.written_at': z.string(),
  'tapelake.origins': z.string().transform(parseOrigins).pipe(z.array(originSchema)),
  'tapelake.unfinished': z.string().optional(),
})

function parseOrigins(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What a segment's metadata says, or undefined where it is not one of tapelake's. */
export function parseSegmentMetadata(metadata: Readonly<Record<string, string>>):
  | {
      readonly dataset: string
      readonly datasetVersion: number
      readonly ticker: string
      readonly partition: string
      readonly runId: string
      readonly writtenAt: string
      readonly origins: readonly SegmentOrigin[]
      /** Sessions of which it does not hold all rows; older tapelakes did not note them. */
      readonly unfinished: readonly string[]
    }
  | undefined {
  const parsed = storySchema.safeParse(metadata)
  if (!parsed.success) return undefined
  const story = parsed.data
  return {
    dataset: story['tapelake.dataset'],
    datasetVersion: story['tapelake.dataset_version'],
    ticker: story['tapelake.ticker'],
    partition: story['tapelake.partition'],
    runId: story['tapelake.run_id'],
    writtenAt: story['tapelake.written_at'],
    origins: story['tapelake.origins'],
    unfinished: story['tapelake.unfinished']?.split(',') ?? [],
  }
}
