import { join } from 'node:path'
import { constantString } from '../../core/batch.ts'
import { EXIT, isDiskErrno, isPipelineError, messageOf } from '../../core/errors.ts'
import type { LoadedConfig } from '../../core/config/index.ts'
import type { Compression, EngineName } from '../../lake/engine.ts'
import { attempt, fail, ok, type Check } from './check.ts'
import { existing, inProbeFolder } from './machine.ts'

/** Whether the data directory is one that this version understands. */
export async function checkLake(dataDir: string): Promise<Check> {
  const { readStamp } = await import('../../lake/stamp.ts')
  try {
    const stamp = await readStamp(dataDir)
    return ok(
      'lake',
      stamp ? `holds ${stamp.provenance} data since ${stamp.createdAt}` : 'nothing is recorded yet',
    )
  } catch (error) {
    const [hint, exitCode] = isPipelineError(error) ? [error.hint, error.exitCode] : [undefined, EXIT.failed]
    return fail('lake', messageOf(error), hint ?? 'Choose another place with --data-dir.', exitCode)
  }
}

/** Whether the engine loads and writes a file that can be read back. */
export function checkEngine({ settings, dataDir }: LoadedConfig): Promise<Check> {
  const { engine: name, compression } = settings.sinks.parquet
  let isBegun = false
  const hint = (error: unknown): string =>
    isBegun && !isDiskErrno(error)
      ? 'Install again with optional dependencies (npm ci): the engine comes inside an npm package.'
      : 'It can be tried only where files can be written: see data-dir.'
  return attempt('engine', hint, async () => {
    const rows = await inProbeFolder(await existing(dataDir), (folder) => {
      isBegun = true
      return writeOneRow(name, compression, folder)
    })
    if (rows !== 1) throw new Error(`${name} wrote 1 row and found ${rows}`)
    return ok('engine', `${name} writes and reads ${compression} files`)
  })
}

async function writeOneRow(name: EngineName, compression: Compression, folder: string): Promise<number> {
  const { createEngine } = await import('../../lake/engines/index.ts')
  const { dividends: dataset } = await import('../../market/datasets/corporate-actions.ts')
  const engine = createEngine(name, { tempDirectory: folder })
  try {
    const path = join(folder, 'probe.tmp')
    const segment = await engine.openSegment({ dataset, path, compression, rowGroupRows: 1, metadata: {} })
    const text = constantString('PROBE', 1)
    const columns = dataset.columns.map(({ name: column, type }) => [
      column,
      type === 'string' ? text : Float64Array.of(1),
    ])
    await segment.append({
      dataset: dataset.name,
      length: 1,
      schema: dataset.columns,
      columns: Object.fromEntries(columns) as Record<string, Float64Array>,
    })
    await segment.finish()
    return (await engine.inspect(path)).rows
  } finally {
    await engine.close()
  }
}
