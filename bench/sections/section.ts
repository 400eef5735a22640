import type { Figures, Served } from '../harness/child.ts'
import type { Table } from '../harness/table.ts'

/** How large a run is, and where it works. */
export interface Setup {
  /** Small sizes, few rounds: shows that everything runs, measures nothing worth quoting. */
  readonly smoke: boolean
  /** Processes per case; the median counts. */
  readonly rounds: number
  /** Folder of this run, removed at its end. */
  readonly work: string
  /** The answer of the vendor that the kernels and the whole path read: its file, its rows, a server of it. */
  readonly body: {
    readonly path: string
    readonly rows: number
    readonly bytes: number
    readonly gzipBytes: number
  }
  readonly server: Served
}

/** A stated budget and what was found. */
export interface Target {
  readonly name: string
  readonly value: number
  readonly target: string
  readonly met: boolean
}

/** One part of the report. */
export interface Report {
  readonly tables: readonly Table[]
  /** Everything measured, by case, for machines. */
  readonly figures: Readonly<Record<string, Figures>>
  readonly targets: readonly Target[]
}

export const atMost = (name: string, value: number, limit: number, unit: string): Target => ({
  name,
  value,
  target: `≤ ${limit} ${unit}`,
  met: value <= limit,
})

export const atLeast = (name: string, value: number, limit: number, unit: string): Target => ({
  name,
  value,
  target: `≥ ${limit} ${unit}`,
  met: value >= limit,
})
