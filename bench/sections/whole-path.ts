import { compareCases } from '../harness/child.ts'
import { count, megabytes, ms, number, times } from '../harness/table.ts'
import { atLeast, atMost, type Report, type Setup } from './section.ts'

/** Pages behind the first, as five years of minute bars have them. */
const PAGES = 24

/** From the HTTP body to the committed segment, against JSON.parse and against today's way. */
export async function wholePath(setup: Setup): Promise<Report> {
  const { smoke, rounds, work, body, server } = setup
  const runs = smoke ? 1 : PAGES
  const shared = { body: body.path, work, runs }
  const found = await compareCases(rounds, {
    parse: { name: 'json-parse', params: shared },
    identity: { name: 'tapelake-path', params: { ...shared, url: `${server.url}/identity` } },
    gzip: { name: 'tapelake-path', params: { ...shared, url: `${server.url}/gzip` } },
    today: { name: 'todays-path', params: { ...shared, url: `${server.url}/identity`, runs: smoke ? 1 : 3 } },
    watching: { name: 'watching-pages', params: { runs: smoke ? 1 : 20 } },
    steps: { name: 'path-steps', params: { ...shared, url: `${server.url}/identity` } },
  })
  const { parse, identity, gzip, today, steps, watching } = found
  const watchingPercent = watching['pageUs']! / (10 * identity['warmMs']!)
  const toParse = identity['warmMs']! / parse['warmMs']!
  const toToday = today['warmMs']! / identity['warmMs']!
  const row = (label: string, { coldMs, warmMs, cpuMs, rssBytes }: typeof parse): string[] => [
    label,
    ms(coldMs!),
    ms(warmMs!),
    ms(cpuMs!),
    times(warmMs! / parse['warmMs']!),
    times(today['warmMs']! / warmMs!),
    rssBytes === undefined ? '' : megabytes(rssBytes),
  ]
  const stepRows = Object.entries(steps).map(([step, value]) => [
    STEPS[step] ?? step,
    ms(value),
    `${number((100 * value) / sum(steps))} %`,
  ])
  return {
    tables: [
      {
        title: `Whole path: ${count(body.rows)} bars, HTTP body to committed Parquet`,
        head: ['', 'first run', 'warm', 'CPU, warm', 'to JSON.parse', 'faster than today', 'peak RSS'],
        rows: [
          row('JSON.parse of the body', parse),
          row('tapelake', identity),
          row('tapelake, gzip on the wire', gzip),
          row("today's way", today),
        ],
        notes: [
          `Body ${megabytes(body.bytes)}, gzip ${megabytes(body.gzipBytes)}. tapelake: one request, parse, every rule, dedup,`,
          'a segment per month (zstd), fsync, read back and compared, SHA-256, ledger replaced. CPU counts all threads.',
          "Today's way: @polygon.io/client-js with its pagination, row objects, zod per row, parquetjs-lite row by row,",
          'straight to one file: no fsync, nothing read back, nothing to resume from.',
        ],
      },
      {
        title: 'Whole path, step by step (warm)',
        head: ['step', 'time', 'share'],
        rows: [...stepRows, ['sum of the steps', ms(sum(steps)), '']],
        notes: [
          'Called one after the other; the path itself overlaps the segments of different months. Watching a page',
          `(performance monitor, error aggregator, counters) takes ${number(watching['pageUs']!)} µs, ${watchingPercent.toFixed(3)} % of the path.`,
        ],
      },
    ],
    figures: found,
    targets: [
      atMost('whole path to JSON.parse', toParse, 3, '×'),
      atMost('watching a page (monitor, errors, counters), part of its path', watchingPercent, 1, '%'),
      atLeast("whole path, faster than today's way", toToday, 20, '×'),
    ],
  }
}

const STEPS: Readonly<Record<string, string>> = {
  fetch: 'fetch',
  parseMs: 'parse: bytes to columns',
  fetchMs: 'fetch',
  validateMs: 'validate',
  inRequestMs: 'sessions asked for',
  dedupMs: 'dedup',
  splitMs: 'split by month',
  mkdirMs: 'make folders, durably',
  writeMs: 'write Parquet',
  digestMs: 'digests, by session',
  fsyncMs: 'fsync',
  readBackMs: 'read back and compare',
  sha256Ms: 'SHA-256',
  commitMs: 'ledger, renames, fsync',
}

const sum = (steps: Readonly<Record<string, number>>): number =>
  Object.values(steps).reduce((total, value) => total + value, 0)
