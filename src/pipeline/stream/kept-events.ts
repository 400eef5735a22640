import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dataPaths } from '../../lake/layout.ts'
import { makeFolder, onDisk } from '../../lake/durable.ts'
import type { KeptLine } from '../../lake/kept-events.ts'

/**
 * Keeps events that became no row, as they came: JSON lines in `quarantine/live/<cluster>.jsonl`.
 *
 * @throws {DiskError}
 */
export async function keepEvents(root: string, cluster: string, events: readonly KeptLine[]): Promise<void> {
  const folder = join(dataPaths(root).quarantine, 'live')
  const path = join(folder, `${cluster}.jsonl`)
  await makeFolder(folder)
  await onDisk(path, () => appendFile(path, events.map((event) => `${JSON.stringify(event)}\n`).join('')))
}
