import type { EngineName, ParquetEngine } from '../engine.ts'
import { ColumnarEngine } from './columnar.ts'
import { DuckDbEngine } from './duckdb.ts'
import type { DuckDbOptions } from './duckdb-instance.ts'
import { ParquetjsLiteEngine } from './parquetjs-lite.ts'

export type EngineOptions = DuckDbOptions

/** The engine called `name`. Nothing heavy is loaded and no file is touched before its first use. */
export function createEngine(name: EngineName, options: EngineOptions): ParquetEngine {
  const duckdb = new DuckDbEngine(options)
  switch (name) {
    case 'duckdb':
      return duckdb
    case 'columnar':
      return new ColumnarEngine(duckdb)
    case 'parquetjs-lite':
      return new ParquetjsLiteEngine(duckdb)
  }
}
