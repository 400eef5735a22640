import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringColumn, type Batch } from '../../../src/core/batch.ts'
import type { ParquetEngine } from '../../../src/lake/engine.ts'
import { hashedColumn, rowHash, type HashedColumn } from '../../../src/lake/engines/duckdb-hash.ts'
import { createEngine } from '../../../src/lake/engines/index.ts'
import { duckdbRows } from '../../contracts/parquet-readers.ts'
import { randomNumbers, STYLES, tableOf } from './columnar/tables.ts'
import { fullDataset } from './samples.ts'

describe('the hash of rows', () => {
  let folder: string
  let engine: ParquetEngine
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tapelake-hash-'))
    engine = createEngine('columnar', { tempDirectory: join(folder, 'temp'), memoryLimitMb: 256 })
  })
  afterAll(async () => {
    await engine.close()
    await rm(folder, { recursive: true })
  })

  const { columns } = fullDataset
  const hashedOf = (batch: Batch): readonly HashedColumn[] =>
    columns.map((column) => hashedColumn(column, batch)).filter((column) => column !== undefined)

  test.each(STYLES)('is what DuckDB makes of the file, with nulls and without (style %s)', async (style) => {
    for (const rows of [1, 2047, 2048, 2049, 9000]) {
      const table = tableOf(
        fullDataset,
        rows,
        ({ nullable }) => ({ style, nulls: nullable ? 0.1 : 0 }),
        randomNumbers(rows),
      )
      const ticker = stringColumn(Array.from({ length: rows }, () => "O'NE"))
      const batch = { ...table, columns: { ...table.columns, ticker } }
      const path = join(folder, `${style}-${rows}.parquet`)
      const shape = { compression: 'zstd', rowGroupRows: 4000, metadata: {} } as const
      const writer = await engine.openSegment({ dataset: fullDataset, path, ...shape })
      await writer.append(batch)
      await writer.finish()
      const hashed = hashedOf(batch)
      const kinds = columns.filter(({ type }) => type !== 'string' && type !== 'int_list')
      expect(hashed.length).toBeGreaterThanOrEqual(kinds.length + 1)
      const [found] = await duckdbRows(
        `SELECT bit_xor(hash(file_row_number, ${hashed.map(({ sql }) => sql).join(', ')})) AS hash
         FROM read_parquet('${path}', file_row_number = true)`,
      )
      expect(rowHash(batch, hashed)).toBe(found!.hash)
    }
  })

  test('is not made of lists, nor of texts that differ', () => {
    const batch = tableOf(fullDataset, 50, () => ({ style: 'unique', nulls: 0.5 }), randomNumbers(1))
    const others = columns.filter(
      ({ name, type }) => type === 'int_list' || (type === 'string' && name !== 'ticker'),
    )
    expect(others.length).toBeGreaterThan(1)
    for (const column of others) expect(hashedColumn(column, batch)).toBeUndefined()
  })
})
