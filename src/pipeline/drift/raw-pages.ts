import { createHash } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeFolder, replaceFile } from '../../lake/durable.ts'
import { dataPaths } from '../../lake/layout.ts'

/** An answer as the vendor sent it, kept because its fields were not those expected. */
export interface RawPage {
  readonly dataset: string
  readonly ticker: string
  readonly path: string
  readonly requestId?: string | undefined
  readonly source: string
  readonly keptAt: string
  /** What the source adds to every row, such as the time of a snapshot. */
  readonly constants?: Readonly<Record<string, number>>
  /** The body, JSON. */
  readonly body: string
}

const folderOf = (root: string): string => join(dataPaths(root).raw, 'drift')

/** Keeps `page`, unless there are `maxPages` or `maxBytes` already. The same page twice is kept once. */
export async function keepRawPage(
  root: string,
  page: RawPage,
  { maxPages, maxBytes }: { readonly maxPages: number; readonly maxBytes: number },
): Promise<boolean> {
  const folder = folderOf(root)
  const name = `${createHash('sha256').update(`${page.dataset}\n${page.body}`).digest('hex').slice(0, 24)}.json.gz`
  const names = await rawNames(root)
  if (names.includes(name)) return true
  if (names.length >= maxPages) return false
  const sizes = await Promise.all(names.map(async (one) => (await stat(join(folder, one))).size))
  const packed = gzipSync(JSON.stringify(page), { level: 1 })
  if (sizes.reduce((sum, size) => sum + size, packed.length) > maxBytes) return false
  await makeFolder(folder)
  await replaceFile(join(folder, name), packed)
  return true
}

async function rawNames(root: string): Promise<string[]> {
  const names = await readdir(folderOf(root)).catch(() => [])
  return names.filter((name) => name.endsWith('.json.gz')).sort()
}

/** The pages kept, one at a time, with the name of each. */
export async function* rawPages(
  root: string,
): AsyncGenerator<{ readonly name: string; readonly page: RawPage }> {
  for (const name of await rawNames(root)) {
    const packed = await readFile(join(folderOf(root), name))
    yield { name, page: JSON.parse(gunzipSync(packed).toString('utf8')) as RawPage }
  }
}

/** Removes a page that is not needed any more. */
export const dropRawPage = (root: string, name: string): Promise<void> =>
  rm(join(folderOf(root), name), { force: true })
