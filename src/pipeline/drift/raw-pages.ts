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
  /** Runs that got this answer, or reprocessed it: the lake may have its rows from any of them. */
  readonly runs?: readonly string[]
  /** What the source adds to every row, such as the time of a snapshot. */
  readonly constants?: Readonly<Record<string, number>>
  /** The body, JSON. */
  readonly body: string
}

const folderOf = (root: string): string => join(dataPaths(root).raw, 'drift')

/** Keeps `page`, unless there are `maxPages` or `maxBytes` already. The same page twice is kept once, as of the last run. */
export async function keepRawPage(
  root: string,
  page: RawPage,
  { maxPages, maxBytes }: { readonly maxPages: number; readonly maxBytes: number },
): Promise<boolean> {
  const folder = folderOf(root)
  const name = nameOf(page)
  const names = await rawNames(root)
  if (names.includes(name)) {
    const { runs = [] } = await readPage(root, name)
    const all = [...new Set([...runs, ...(page.runs ?? [])])]
    if (all.length > runs.length) await writePage(root, name, { ...page, runs: all })
    return true
  }
  if (names.length >= maxPages) return false
  const sizes = await Promise.all(names.map(async (one) => (await stat(join(folder, one))).size))
  const packed = pack(page)
  if (sizes.reduce((sum, size) => sum + size, packed.length) > maxBytes) return false
  await makeFolder(folder)
  await replaceFile(join(folder, name), packed)
  return true
}

const nameOf = ({ dataset, body }: RawPage): string =>
  `${createHash('sha256').update(`${dataset}\n${body}`).digest('hex').slice(0, 24)}.json.gz`

const pack = (page: RawPage): Buffer => gzipSync(JSON.stringify(page), { level: 1 })

async function readPage(root: string, name: string): Promise<RawPage> {
  const packed = await readFile(join(folderOf(root), name))
  return JSON.parse(gunzipSync(packed).toString('utf8')) as RawPage
}

/** Replaces a page that is kept. */
export const writePage = (root: string, name: string, page: RawPage): Promise<void> =>
  replaceFile(join(folderOf(root), name), pack(page))

async function rawNames(root: string): Promise<string[]> {
  const names = await readdir(folderOf(root)).catch(() => [])
  return names.filter((name) => name.endsWith('.json.gz')).sort()
}

/** The pages kept, one at a time, with the name of each. */
export async function* rawPages(
  root: string,
): AsyncGenerator<{ readonly name: string; readonly page: RawPage }> {
  for (const name of await rawNames(root)) {
    yield { name, page: await readPage(root, name) }
  }
}

/** Removes a page that is not needed any more. */
export const dropRawPage = (root: string, name: string): Promise<void> =>
  rm(join(folderOf(root), name), { force: true })
