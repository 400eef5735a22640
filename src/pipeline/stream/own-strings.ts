import { requireColumn, type Batch, type ColumnData, type StringColumn } from '../../core/batch.ts'

/**
 * `batch` whose string columns hold no more strings than it has rows: rows split off a frame share the strings of
 * all of it, and joining them would carry these along again and again.
 */
export function ownStrings(batch: Batch): Batch {
  const columns: Record<string, ColumnData> = { ...batch.columns }
  let isShared = false
  for (const { name, type } of batch.schema) {
    if (type !== 'string') continue
    const column = batch.columns[name] as StringColumn
    if (column.dictionary.length <= batch.length) continue
    columns[name] = used(column)
    isShared = true
  }
  return isShared ? { ...batch, columns } : batch
}

/** The work is in the number of rows, not in that of the strings. */
function used({ codes, dictionary }: StringColumn): StringColumn {
  const own: string[] = []
  const places = new Map<number, number>()
  const next = codes.map((code) => {
    if (code < 0) return -1
    const place = places.get(code) ?? own.push(dictionary[code]!) - 1
    places.set(code, place)
    return place
  })
  return { codes: next, dictionary: own }
}

/** `batch` with each ticker once in its dictionary: joining thousands of frames repeats them. */
export function compactTickers(batch: Batch): Batch {
  const { codes, dictionary } = requireColumn(batch, 'ticker', 'string')
  if (dictionary.length === 1) return batch
  const places = new Map<string, number>()
  const next = dictionary.map((text) => {
    const place = places.get(text) ?? places.size
    places.set(text, place)
    return place
  })
  if (places.size === dictionary.length) return batch
  const compact = codes.map((code) => (code < 0 ? -1 : next[code]!))
  return {
    ...batch,
    columns: { ...batch.columns, ticker: { codes: compact, dictionary: [...places.keys()] } },
  }
}
