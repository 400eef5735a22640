import type { EngineName, ParquetEngine } from '../engine.ts'
import { ColumnarEngine } from './columnar.ts'
import { DuckDbEngine } from './duckdb.ts'
import type { DuckDbOptions } from './duckdb-instance.ts'
import { ParquetjsLiteEngine } from './parquetjs-lite.ts'

export type EngineOptions = DuckDbOptions

/** What is read back is small, and the thread that encodes needs a core as well: more would only take turns. */
const READERS = 1

/** The engine called `name`. Nothing heavy is loaded and no file is touched before its first use. */
export function createEngine(name: EngineName, options: EngineOptions): ParquetEngine {
  switch (name) {
    case 'duckdb':
      return new DuckDbEngine(options)
    case 'columnar':
      return new ColumnarEngine(new DuckDbEngine({ threads: READERS, ...options }))
    case 'parquetjs-lite':
      return new ParquetjsLiteEngine(new DuckDbEngine(options))
  }
}
