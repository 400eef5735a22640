import type { ColumnSchema, ColumnType } from '../core/batch.ts'

/**
 * A dataset is data: one definition from which validation, dedup, the Parquet schema, the SQL view,
 * drift detection and the documentation table derive. Adding a dataset is adding a definition and a
 * source that fills it.
 */
export interface DatasetDefinition {
  /** Name in the lake, in SQL and on the command line. */
  readonly name: string
  /** Raised when a column changes its meaning; written into every segment. */
  readonly version: number
  /** What one row is, in a sentence. */
  readonly description: string
  readonly columns: readonly ColumnDefinition[]
  /** Columns that together name one row; rows are sorted by them. The first is always `ticker`. */
  readonly key: readonly string[]
  /**
   * What names a series, and its folder in the lake; default `ticker`: the column `ticker` holds it in every row.
   * `underlying`: a series is all options of one underlying, and `ticker` holds the contract of each row.
   */
  readonly seriesKey?: SeriesKey
  /** The column that assigns a row to its session. */
  readonly eventColumn: string
  readonly eventKind: EventKind
  /** How segments of one series are cut; `none` keeps a series in one file. */
  readonly partition: 'date' | 'month' | 'year' | 'none'
  /** Exchange calendar (market identifier code) whose sessions are the cells. */
  readonly calendar: string
  readonly rules: readonly Rule[]
}

export type SeriesKey = 'ticker' | 'underlying'

/** What names a series of `dataset`. */
export const seriesKeyOf = ({ seriesKey = 'ticker' }: DatasetDefinition): SeriesKey => seriesKey

/**
 * How `eventColumn` names its session:
 * `instant` an instant within the extended hours, `day` midnight of the session in New York,
 * `date` the session's date itself.
 */
export type EventKind = 'instant' | 'day' | 'date'

export interface ColumnDefinition extends ColumnSchema {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
  /** `USD`, `shares`, `ns since epoch, UTC`, … */
  readonly unit?: string
  readonly description: string
}

/** A check on every row; a row that breaks one is refused with the rule's name. */
export type Rule =
  /** Columns must be present and finite numbers, or non-empty strings. */
  | { readonly kind: 'required'; readonly name: string; readonly columns: readonly string[] }
  /** Columns, where present, must be greater than zero (and finite). */
  | { readonly kind: 'positive'; readonly name: string; readonly columns: readonly string[] }
  /** Columns, where present, must be zero or more (and finite). */
  | { readonly kind: 'not_negative'; readonly name: string; readonly columns: readonly string[] }
  /** Columns, where present, must be whole numbers. */
  | { readonly kind: 'whole'; readonly name: string; readonly columns: readonly string[] }
  /** `low` must not be above `high`, where both are present. */
  | { readonly kind: 'ordered'; readonly name: string; readonly low: string; readonly high: string }
  /** The column, where present, must be one of `values`. */
  | {
      readonly kind: 'one_of'
      readonly name: string
      readonly column: string
      readonly values: readonly string[]
    }
  /** The event must start on a multiple of `seconds` (bars). */
  | { readonly kind: 'aligned'; readonly name: string; readonly seconds: number }
  /** The event must lie inside a session of the dataset's calendar, extended hours included. */
  | { readonly kind: 'in_session'; readonly name: string }
  /** `ticker` must be a futures contract that had not ended, and the event lie in no break of its session. */
  | { readonly kind: 'futures_life'; readonly name: string }

/** The definition of `column`, or undefined. */
export function columnOf(dataset: DatasetDefinition, column: string): ColumnDefinition | undefined {
  return dataset.columns.find(({ name }) => name === column)
}
