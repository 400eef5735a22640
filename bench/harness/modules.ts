import type * as Batch from '../../src/core/batch.ts'
import type * as BatchConcat from '../../src/core/batch-concat.ts'
import type * as Errors from '../../src/core/errors.ts'
import type * as Throughput from '../../src/core/throughput.ts'
import type * as RateLimit from '../../src/core/rate-limit.ts'
import type * as Retry from '../../src/core/retry.ts'
import type * as Commit from '../../src/lake/commit.ts'
import type * as Durable from '../../src/lake/durable.ts'
import type * as Engines from '../../src/lake/engines/index.ts'
import type * as Lake from '../../src/lake/index.ts'
import type * as Journal from '../../src/lake/journal/index.ts'
import type * as Layout from '../../src/lake/layout.ts'
import type * as Ledger from '../../src/lake/ledger.ts'
import type * as Reader from '../../src/lake/reader/index.ts'
import type * as Scan from '../../src/lake/scan.ts'
import type * as SeriesWriter from '../../src/lake/series-writer.ts'
import type * as Bars from '../../src/market/datasets/equity-bars.ts'
import type * as Stamp from '../../src/lake/stamp.ts'
import type * as SessionRows from '../../src/market/session-rows.ts'
import type * as Observer from '../../src/monitor/observer.ts'
import type * as LiveChannels from '../../src/pipeline/stream/channels.ts'
import type * as LiveIntake from '../../src/pipeline/stream/intake.ts'
import type * as SessionBook from '../../src/pipeline/stream/session-book.ts'
import type * as RecordItem from '../../src/pipeline/record-item.ts'
import type * as Silence from '../../src/pipeline/silence.ts'
import type * as Polygon from '../../src/sources/polygon/index.ts'
import type * as FrameParser from '../../src/sources/polygon/socket/frame-parser.ts'
import type * as LiveFeed from '../../src/sources/polygon/socket/live-feed.ts'
import type * as Transport from '../../src/sources/polygon/transport.ts'
import type * as Fields from '../../src/sources/polygon/wire/fields.ts'
import type * as Rows from '../../src/sources/polygon/wire/rows.ts'
import type * as Dedup from '../../src/stages/dedup.ts'
import type * as InRequest from '../../src/stages/in-request.ts'
import type * as Validate from '../../src/stages/validate.ts'
import { built } from './built.ts'

/** Modules of the build with the types of their sources; each is loaded where it is asked for. */
export const load = {
  stamp: () => built<typeof Stamp>('lake/stamp'),
  bars: () => built<typeof Bars>('market/datasets/equity-bars'),
  batch: () => built<typeof Batch>('core/batch'),
  batchConcat: () => built<typeof BatchConcat>('core/batch-concat'),
  commit: () => built<typeof Commit>('lake/commit'),
  dedup: () => built<typeof Dedup>('stages/dedup'),
  durable: () => built<typeof Durable>('lake/durable'),
  engines: () => built<typeof Engines>('lake/engines/index'),
  errors: () => built<typeof Errors>('core/errors'),
  fields: () => built<typeof Fields>('sources/polygon/wire/fields'),
  inRequest: () => built<typeof InRequest>('stages/in-request'),
  frameParser: () => built<typeof FrameParser>('sources/polygon/socket/frame-parser'),
  journal: () => built<typeof Journal>('lake/journal/index'),
  lake: () => built<typeof Lake>('lake/index'),
  layout: () => built<typeof Layout>('lake/layout'),
  ledger: () => built<typeof Ledger>('lake/ledger'),
  liveChannels: () => built<typeof LiveChannels>('pipeline/stream/channels'),
  liveFeed: () => built<typeof LiveFeed>('sources/polygon/socket/live-feed'),
  liveIntake: () => built<typeof LiveIntake>('pipeline/stream/intake'),
  observer: () => built<typeof Observer>('monitor/observer'),
  polygon: () => built<typeof Polygon>('sources/polygon/index'),
  rateLimit: () => built<typeof RateLimit>('core/rate-limit'),
  reader: () => built<typeof Reader>('lake/reader/index'),
  recordItem: () => built<typeof RecordItem>('pipeline/record-item'),
  retry: () => built<typeof Retry>('core/retry'),
  rows: () => built<typeof Rows>('sources/polygon/wire/rows'),
  scan: () => built<typeof Scan>('lake/scan'),
  seriesWriter: () => built<typeof SeriesWriter>('lake/series-writer'),
  sessionBook: () => built<typeof SessionBook>('pipeline/stream/session-book'),
  sessionRows: () => built<typeof SessionRows>('market/session-rows'),
  silence: () => built<typeof Silence>('pipeline/silence'),
  transport: () => built<typeof Transport>('sources/polygon/transport'),
  throughput: () => built<typeof Throughput>('core/throughput'),
  validate: () => built<typeof Validate>('stages/validate'),
}
