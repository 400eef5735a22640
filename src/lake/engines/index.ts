import type { EngineName, ParquetEngine } from '../engine.ts'
import { DuckDbEngine } from './duckdb.ts'
import type { DuckDbOptions } from './duckdb-instance.ts'
import { ParquetjsLiteEngine } from './parquetjs-lite.ts'

export type EngineOptions = DuckDbOptions

/** The engine called `name`. Nothing heavy is loaded and no file is touched before its first use. */
export function createEngine(name: EngineName, options: EngineOptions): ParquetEngine {
  const duckdb = new DuckDbEngine(options)
  return name === 'duckdb' ? duckdb : new ParquetjsLiteEngine(duckdb)
}
