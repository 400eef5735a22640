import type { EngineName, ParquetEngine } from '../engine.ts'
import { DuckDbEngine } from './duckdb.ts'
import type { DuckDbOptions } from './duckdb-instance.ts'

export type EngineOptions = DuckDbOptions

/**
 * The engine called `name`. Nothing heavy is loaded and no file is touched before its first use.
 */
export function createEngine(name: EngineName, options: EngineOptions): ParquetEngine {
  switch (name) {
    case 'duckdb':
      return new DuckDbEngine(options)
    case 'parquetjs-lite':
      throw new Error('not yet')
  }
}
