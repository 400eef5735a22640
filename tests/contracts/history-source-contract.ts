import { expect, test } from 'vitest'
import { rowAt, type ColumnData } from '../../src/core/batch.ts'
import { ConfigError, InterruptedError } from '../../src/core/errors.ts'
import { collect } from '../../src/core/flow.ts'
import type { DatasetDefinition } from '../../src/market/dataset.ts'
import type { HistoryRequest, HistorySource } from '../../src/sources/history.ts'

export interface HistorySourceSetup {
  /** A fresh source; the contract closes it. */
  readonly open: () => HistorySource
  /** Requests that bring rows, over at least two pages in all. */
  readonly requests: readonly HistoryRequest[]
  readonly provenance: 'real' | 'synthetic'
}

/** What every source of history owes the pipeline. Call it inside a `describe`. */
export function historySourceContract(setup: () => HistorySourceSetup): void {
  const never = new AbortController().signal

  const withSource = async (
    use: (source: HistorySource, requests: readonly HistoryRequest[]) => Promise<void>,
  ) => {
    const { open, requests } = setup()
    const source = open()
    try {
      await use(source, requests)
    } finally {
      await source.close()
    }
  }

  test('batches hold rows, have the columns of their dataset at full length, and name their origin', () =>
    withSource(async (source, requests) => {
      for (const request of requests) {
        const batches = await collect(source.read(request, never))
        expect(batches.length).toBeGreaterThan(0)
        for (const batch of batches) {
          expect(batch.dataset).toBe(request.dataset.name)
          expect(batch.schema).toEqual(request.dataset.columns)
          expect(batch.length).toBeGreaterThan(0)
          for (const { name } of request.dataset.columns)
            expect([name, lengthOf(batch.columns[name]!)]).toEqual([name, batch.length])
          expect(batch.origin?.source).toBe(source.name)
          expect(batch.origin?.request).toMatch(/^\/\w/)
        }
      }
    }))

  test('the same request read twice brings the same rows', () =>
    withSource(async (source, [request]) => {
      const read = async () => {
        const batches = await collect(source.read(request!, never))
        return batches.flatMap((batch) => Array.from({ length: batch.length }, (_, row) => rowAt(batch, row)))
      }
      expect(await read()).toEqual(await read())
    }))

  test('nothing is asked before rows are, pages are asked for one by one, and calls are counted', () =>
    withSource(async (source, requests) => {
      let pages = 0
      for (const request of requests) {
        const before = source.calls
        const batches = source.read(request, never)
        expect(source.calls).toBe(before)
        for await (const _batch of batches) {
          expect(source.calls).toBe(before + 1)
          pages++
          break
        }
      }
      expect(pages).toBe(requests.length)
    }))

  test('says after the first answer whether its rows are real', () =>
    withSource(async (source, [request]) => {
      expect(source.provenance).toBeUndefined()
      await collect(source.read(request!, never))
      expect(source.provenance).toBe(setup().provenance)
    }))

  test('an abort ends it, before the first row and between rows', () =>
    withSource(async (source, [request]) => {
      await expect(collect(source.read(request!, AbortSignal.abort()))).rejects.toThrow(InterruptedError)
      const controller = new AbortController()
      const reading = (async () => {
        for await (const _batch of source.read(request!, controller.signal)) controller.abort()
      })()
      await expect(reading).rejects.toThrow(InterruptedError)
    }))

  test('tells how much one request may cover, and refuses a dataset that it does not serve', () =>
    withSource(async (source, requests) => {
      for (const { dataset } of requests) {
        const { pageRows, baseSeconds, anyRange } = source.limits(dataset)
        expect(pageRows).toBeGreaterThan(0)
        if (baseSeconds !== undefined)
          expect({ anyRange, whole: 86_400 % baseSeconds }).toEqual({ anyRange: false, whole: 0 })
      }
      const foreign: DatasetDefinition = { ...requests[0]!.dataset, name: 'tides' }
      expect(() => source.limits(foreign)).toThrow(ConfigError)
      await expect(collect(source.read({ ...requests[0]!, dataset: foreign }, never))).rejects.toThrow(
        /tides/,
      )
    }))
}

function lengthOf(column: ColumnData): number {
  if ('codes' in column) return column.codes.length
  if ('offsets' in column) return column.offsets.length - 1
  return (column as Float64Array).length
}
