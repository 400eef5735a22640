import type { DuckDBDataChunk } from '@duckdb/node-api'
import type * as Arrow from 'apache-arrow'
import { arrowColumn, type ArrowColumn } from './arrow-columns.ts'
import { cellWriter } from './cells.ts'
import { uniqueNames } from './format-json.ts'
import type { QueryResult } from './result.ts'

/** Chunks of DuckDB (2,048 rows each) in one record batch. */
const CHUNKS_PER_BATCH = 16

/** An Arrow IPC stream: the schema, then record batches of at most 32,768 rows, one in memory at a time. */
export async function* arrowStream(result: QueryResult): AsyncIterable<Uint8Array> {
  const [arrow, duckdb] = await Promise.all([import('apache-arrow'), import('@duckdb/node-api')])
  const context = { arrow, duckdb, cells: cellWriter(duckdb) }
  const columns = result.columns.map(({ type }) => arrowColumn(context, type))
  const names = uniqueNames(result.columns.map(({ name }) => name))
  const schema = new arrow.Schema(columns.map(({ type }, i) => new arrow.Field(names[i]!, type, true)))
  const { writer, taken } = streamWriter(arrow, schema)
  yield* taken()
  for await (const chunks of groups(result.chunks(), CHUNKS_PER_BATCH)) {
    writer.write(recordBatch(arrow, schema, columns, chunks))
    yield* taken()
  }
  writer.close()
  yield* taken()
}

/** Arrow's writer puts bytes into a queue without bound; here they are taken after each batch. */
function streamWriter(arrow: typeof Arrow, schema: Arrow.Schema) {
  const written: Uint8Array[] = []
  const sink = new arrow.AsyncByteQueue()
  sink.write = (bytes) => void written.push(new Uint8Array(bytes as Uint8Array))
  const writer = new arrow.RecordBatchStreamWriter()
  writer.reset(sink, schema)
  return { writer, taken: () => written.splice(0) }
}

function recordBatch(
  arrow: typeof Arrow,
  schema: Arrow.Schema,
  columns: readonly ArrowColumn[],
  chunks: readonly DuckDBDataChunk[],
): Arrow.RecordBatch {
  const children = columns.map((column, i) => column.data(chunks.map((chunk) => chunk.getColumnVector(i))))
  const length = chunks.reduce((rows, chunk) => rows + chunk.rowCount, 0)
  const struct = arrow.makeData({ type: new arrow.Struct(schema.fields), length, nullCount: 0, children })
  return new arrow.RecordBatch(schema, struct)
}

async function* groups<T>(items: AsyncIterable<T>, size: number): AsyncIterable<T[]> {
  let group: T[] = []
  for await (const item of items) {
    group.push(item)
    if (group.length === size) {
      yield group
      group = []
    }
  }
  if (group.length > 0) yield group
}
