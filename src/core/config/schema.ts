import { z } from 'zod'
import { retryPolicySchema } from '../retry.ts'
import { polygon } from './schema-polygon.ts'
import { drift, quality } from './schema-trust.ts'
import { stream } from './schema-stream.ts'
import { health, logging, metrics, performance } from './schema-watching.ts'
import { nightly, workers } from './schema-unattended.ts'

/** Ports of the operating system; 0 lets it choose. */
const port = z.int().min(0).max(65_535)

/** What each engine compresses with best when `compression` is `auto`. */
const BEST_COMPRESSION = { columnar: 'zstd', duckdb: 'zstd', 'parquetjs-lite': 'snappy' } as const

const parquet = z
  .strictObject({
    engine: z
      .enum(['columnar', 'duckdb', 'parquetjs-lite'])
      .default('columnar')
      .describe('What writes Parquet files. parquetjs-lite cannot hold every dataset and says so.'),
    compression: z
      .enum(['auto', 'zstd', 'snappy', 'gzip', 'uncompressed'])
      .default('auto')
      .describe('Compression of the files; auto = snappy with parquetjs-lite, otherwise zstd.'),
    rowGroupRows: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(122_880)
      .describe('Rows in a row group; below 100,000 scans get slower.'),
  })
  .transform((given) => ({
    ...given,
    compression: given.compression === 'auto' ? BEST_COMPRESSION[given.engine] : given.compression,
  }))

const backfill = z.strictObject({
  defaultSessions: z
    .int()
    .min(1)
    .max(20_000)
    .default(500)
    .describe('Sessions to record when neither --from nor --days is given.'),
  concurrency: z.int().min(1).max(64).default(2).describe('Work items in hand at the same time.'),
})

const simulator = z.strictObject({
  seed: z.int().min(0).default(1).describe('The same seed makes the same market.'),
  port: port.default(0).describe('Port it listens on; 0 = any free one.'),
  plan: z
    .enum(['free', 'starter', 'developer', 'advanced', 'unlimited'])
    .default('unlimited')
    .describe("The vendor's plan that it imitates: history, entitlements and calls per minute."),
  latencyMs: z.int().min(0).default(0).describe('Wait before each answer, milliseconds.'),
})

const query = z.strictObject({
  maxRows: z.int().min(1).default(40).describe('Most rows that --format table shows.'),
  memoryLimitMb: z
    .int()
    .min(64)
    .default(1024)
    .describe('Memory that a query may use before it spills to disk, MiB.'),
  threads: z.int().min(0).max(256).default(0).describe('Threads of a query; 0 = one per core.'),
})

const disk = z.strictObject({
  minFreeMb: z
    .int()
    .min(0)
    .default(512)
    .describe('Free space under the data directory below which nothing more is written, MiB.'),
})

const versions = z.strictObject({
  keepDays: z
    .int()
    .min(0)
    .default(365)
    .describe('Days that rows which gave way are kept for --as-of; 0 = for ever. compact drops older ones.'),
  recheckSessions: z
    .int()
    .min(0)
    .max(60)
    .default(3)
    .describe('Sessions after which a session is asked for once more each by backfill --recheck.'),
  lateDays: z
    .number()
    .min(0)
    .default(5)
    .describe(
      'Days after a session in which late rows are merged into it; later ones go to quarantine, but for --force.',
    ),
})

const paths = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('./data')
    .describe(
      'Data directory: the lake, its ledger and everything else that is kept. ~/ is the home folder.',
    ),
})

/** The failures that asking again can help against. */
const retried = { network: true, timeout: true, rate_limit: true, server: true, malformed: true } as const
/** All others have a policy, too, and it cannot be another one. */
const never = z.strictObject({ retries: z.literal(0).default(0) }).prefault({})
const retry = retryPolicySchema
  .pick(retried)
  .extend({
    ...{ not_found: never, entitlement: never, authentication: never, validation: never },
    ...{ disk: never, lock: never, interrupted: never },
  })
  .transform((given) => retryPolicySchema.parse(given))

/** Every setting of tapelake: names, types, bounds, defaults. Keys of the vendor are not among them. */
export const settingsSchema = z.strictObject({
  paths: paths.prefault({}),
  sources: z.strictObject({ polygon: polygon.prefault({}) }).prefault({}),
  sinks: z.strictObject({ parquet: parquet.prefault({}) }).prefault({}),
  retry: retry.prefault({}),
  backfill: backfill.prefault({}),
  workers: workers.prefault({}),
  nightly: nightly.prefault({}),
  logging: logging.prefault({}),
  simulator: simulator.prefault({}),
  query: query.prefault({}),
  disk: disk.prefault({}),
  versions: versions.prefault({}),
  quality: quality.prefault({}),
  drift: drift.prefault({}),
  metrics: metrics.prefault({}),
  health: health.prefault({}),
  performance: performance.prefault({}),
  stream: stream.prefault({}),
})

/** The settings with every default filled in and every `auto` resolved. Holds no secret. */
export type Settings = z.output<typeof settingsSchema>

/** JSON Schema (draft 2020-12) of the settings as they are written in the config files. */
export function settingsJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(settingsSchema, { io: 'input' })
}
