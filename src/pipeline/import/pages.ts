import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { throwIfAborted } from '../../core/abort.ts'
import { requireColumn, stringAt, takeRows, type Batch } from '../../core/batch.ts'
import { messageOf, UsageError } from '../../core/errors.ts'
import { refuseFile } from '../../lake/import/import-error.ts'
import type { ImportFile } from '../../lake/import/import-file.ts'
import type { TimeCounts } from '../../lake/import/staging.ts'
import type { DatasetDefinition } from '../../market/dataset.ts'
import { BYTE, JsonCursor, WireError } from '../../sources/polygon/wire/cursor.ts'
import { mappingOf } from '../../sources/polygon/wire/fields.ts'
import { readPage, toBatch } from '../../sources/polygon/wire/rows.ts'
import { scanDocument } from '../../sources/polygon/wire/scan.ts'

/** Answers of the vendor's REST API in one file: one document, several behind each other, or an array of them. */
export interface FilePages {
  readonly file: ImportFile
  readonly bytes: Buffer
  /** Where each page begins and ends. */
  readonly pages: readonly { readonly from: number; readonly to: number }[]
  /** Names of the fields of its rows. */
  readonly fields: readonly string[]
}

/** Reads all of a JSON file. @throws {ImportRefusedError} naming file and line of what is no JSON */
export async function readPages(file: ImportFile, signal: AbortSignal): Promise<FilePages> {
  throwIfAborted(signal)
  const raw = await readFile(file.path).catch((error: unknown) => {
    throw refuseFile(file.path, `cannot be read: ${messageOf(error)}`, error)
  })
  const bytes = file.gzipped ? gunzipSync(raw) : raw
  const pages: { from: number; to: number }[] = []
  const fields = new Set<string>()
  const cursor = new JsonCursor(bytes)
  atLine(file, bytes, 0, () => {
    for (const page of documents(cursor)) pages.push(page)
  })
  for (const { from, to } of pages) {
    atLine(file, bytes, from, () => {
      for (const name of scanDocument(bytes.subarray(from, to), []).unknownFields.keys()) fields.add(name)
    })
  }
  return { file, bytes, pages, fields: [...fields] }
}

function* documents(cursor: JsonCursor): Generator<{ from: number; to: number }> {
  cursor.skipSpace()
  const isList = cursor.takeIf(BYTE.openBracket)
  for (;;) {
    cursor.skipSpace()
    if (cursor.pos >= cursor.bytes.length || (isList && cursor.takeIf(0x5d))) return
    const from = cursor.pos
    cursor.skipValue()
    yield { from, to: cursor.pos }
    cursor.skipSpace()
    if (isList) cursor.takeIf(BYTE.comma)
  }
}

/** Runs `work` on the bytes from `from`; what is wrong with them is told with its line. */
function atLine<T>({ path }: ImportFile, bytes: Buffer, from: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const at = from + (error.offset ?? 0)
    let line = 1
    for (let i = 0; i < at; i++) if (bytes[i] === 0x0a) line++
    throw refuseFile(`${path}:${line}`, error.message, error)
  }
}

/**
 * The rows of `pages` by the ticker that they name, or `ticker`.
 *
 * @throws {ImportRefusedError} naming file and line of an answer that is not the vendor's
 * @throws {UsageError} when rows name no ticker and none is given, and where JSON cannot hold the dataset
 */
export function pageRows(
  all: readonly FilePages[],
  dataset: DatasetDefinition,
  ticker: string | undefined,
): Map<string, Batch[]> {
  const mapping = mappingOf(dataset)
  if (!mapping) throw new UsageError(`JSON pages of ${dataset.name} cannot be imported`)
  const found = new Map<string, Batch[]>()
  for (const { file, bytes, pages } of all) {
    for (const { from, to } of pages) {
      const page = atLine(file, bytes, from, () => readPage(bytes.subarray(from, to), mapping))
      if (page.table.rows === 0) continue
      const named = page.envelope.ticker ?? ticker
      if (named === undefined && !mapping.columns['ticker']) {
        throw new UsageError(`${file.path}: the answer does not name its ticker`, {
          hint: 'Name it with --ticker.',
        })
      }
      const origin = {
        source: 'import',
        request: `file:${file.path}`,
        ...requestId(page.envelope.request_id),
      }
      const batch = toBatch(dataset, mapping, page, named ?? '', origin)
      for (const [name, rows] of byTicker(batch)) found.set(name, [...(found.get(name) ?? []), rows])
    }
  }
  return found
}

const requestId = (id: string | null | undefined) => (id == null ? {} : { requestId: id })

/** A page is of one ticker, or (splits, dividends) of several. */
function byTicker(batch: Batch): [string, Batch][] {
  const tickers = requireColumn(batch, 'ticker', 'string')
  const first = stringAt(tickers, 0)
  const isOne = tickers.codes.every((_, row) => stringAt(tickers, row) === first)
  if (isOne) return [[first ?? '', batch]]
  const names = [...new Set(Array.from(tickers.codes, (_, row) => stringAt(tickers, row) ?? ''))]
  return names.map((name) => {
    const rows = [...tickers.codes.keys()].filter((row) => (stringAt(tickers, row) ?? '') === name)
    return [name, takeRows(batch, rows)]
  })
}

/** Where the times of `batches` lie; see {@link TimeCounts}. */
export function countTimes(batches: Iterable<Batch>, eventColumn: string): TimeCounts {
  const hourUs = 3_600_000_000
  const counts = { rows: 0, midnight: 0, minutes: 0, hours: 0 }
  for (const batch of batches) {
    for (const us of requireColumn(batch, eventColumn, 'timestamp')) {
      counts.rows++
      if (us % 60_000_000 === 0) counts.minutes++
      if (us % hourUs !== 0) continue
      counts.hours++
      if ([4, 5].includes((us / hourUs) % 24)) counts.midnight++
    }
  }
  return counts
}
