import type { Figures } from '../harness/child.ts'

type Case = (params: never) => Promise<Figures>

/** What a child process can be asked to measure; loaded when it is. */
export const CASES: Readonly<Record<string, () => Promise<Case>>> = {
  'prepare-body': async () => (await import('./body.ts')).prepareBody,
  'serve-body': async () => (await import('./body.ts')).serveBodyFile,
  'serve-replay': async () => (await import('./replay.ts')).serveReplay,
  'tapelake-path': async () => (await import('./tapelake-path.ts')).tapelakePath,
  'path-steps': async () => (await import('./path-steps.ts')).pathSteps,
  'todays-path': async () => (await import('../peers/todays-way.ts')).todaysPath,
  'drain-requests': async () => (await import('./drain.ts')).drainRequests,
  'watching-pages': async () => (await import('./watching.ts')).watchingPages,
  'json-parse': async () => (await import('./json.ts')).jsonParse,
  'json-to-columns': async () => (await import('./json.ts')).jsonToColumns,
  'scan-to-columns': async () => (await import('./json.ts')).scanToColumns,
  'serve-flood': async () => (await import('./live.ts')).serveFlood,
  'flood-to-journal': async () => (await import('./live.ts')).floodToJournal,
  'flood-to-book': async () => (await import('./live.ts')).floodToBook,
  'frame-latency': async () => (await import('./live.ts')).frameLatency,
  'todays-stream': async () => (await import('../peers/todays-stream.ts')).todaysStream,
  validation: async () => (await import('./kernels.ts')).validation,
  'zod-per-row': async () => (await import('./kernels.ts')).zodPerRow,
  'dedup-in-order': async () => (await import('./kernels.ts')).dedupInOrder,
  'dedup-reversed': async () => (await import('./kernels.ts')).dedupReversed,
  'dedup-repeated-page': async () => (await import('./kernels.ts')).dedupRepeatedPage,
  'dedup-with-map': async () => (await import('./kernels.ts')).dedupWithMap,
  'segment-file': async () => (await import('./file-size.ts')).segmentFile,
  'row-by-row-file': async () => (await import('./file-size.ts')).rowByRowFile,
  'ledger-query': async () => (await import('./query.ts')).ledgerQuery,
  'prepare-day-file': async () => (await import('./day-file.ts')).prepareDayFile,
  'csv-to-parquet': async () => (await import('./day-file.ts')).csvToParquet,
  'minute-aggregate': async () => (await import('./trust.ts')).minuteAggregate,
  'every-value': async () => (await import('./trust.ts')).everyValue,
  'merge-files': async () => (await import('./trust.ts')).mergeFiles,
  'glob-query': async () => (await import('./query.ts')).globQuery,
}
