import {
  constantString,
  NS_NULL,
  stringColumn,
  type Batch,
  type ColumnData,
} from '../../../../src/core/batch.ts'
import type { ColumnDefinition, DatasetDefinition } from '../../../../src/market/dataset.ts'

/** Numbers from 0 to 1, the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** How the values of a column follow one another; every style makes the writer choose something else. */
export const STYLES = ['constant', 'few', 'runs', 'walk', 'unique', 'extreme'] as const
export type Style = (typeof STYLES)[number]

export interface ColumnShape {
  readonly style: Style
  /** Part of the rows without a value, in nullable columns. */
  readonly nulls: number
}

/** A table in order of its key: one ticker, ascending instants, everything else as `shapeOf` says. */
export function tableOf(
  dataset: DatasetDefinition,
  rows: number,
  shapeOf: (column: ColumnDefinition) => ColumnShape,
  random: () => number,
): Batch {
  const columns: Record<string, ColumnData> = {}
  for (const column of dataset.columns) {
    const { style, nulls } = shapeOf(column)
    const isNull = () => column.nullable && random() < nulls
    if (column.name === 'ticker') columns[column.name] = constantString('SPY', rows)
    else if (column.name === 'timestamp') columns[column.name] = instants(rows, random)
    else columns[column.name] = columnOf(column, rows, style, { random, isNull })
  }
  const schema = dataset.columns.map(({ name, type }) => ({ name, type }))
  return { dataset: dataset.name, length: rows, schema, columns }
}

interface Chance {
  readonly random: () => number
  readonly isNull: () => boolean
}

function instants(rows: number, random: () => number): Float64Array {
  let at = 1.7e15
  return Float64Array.from({ length: rows }, () => (at += random() < 0.01 ? 3e10 : 60_000_000))
}

function columnOf(
  { type }: ColumnDefinition,
  rows: number,
  style: Style,
  { random, isNull }: Chance,
): ColumnData {
  const next = steps(style, random)
  const values = Array.from({ length: rows }, () => (isNull() ? null : next()))
  switch (type) {
    case 'string':
      return stringColumn(values.map((value) => (value === null ? null : textOf(value, style))))
    case 'ns':
      return BigInt64Array.from(values, (value) => (value === null ? NS_NULL : nsOf(value, style)))
    case 'int_list':
      return listsOf(values, random)
    case 'double':
      return Float64Array.from(values, (value) => (value === null ? NaN : doubleOf(value, style)))
    case 'date':
      return Float64Array.from(values, (value) => (value === null ? NaN : dayOf(value, style)))
    default:
      return Float64Array.from(values, (value) => (value === null ? NaN : wholeOf(value, style)))
  }
}

/** Whole numbers from 0 on; of style `extreme`, 0 to 5. */
function steps(style: Style, random: () => number): () => number {
  let value = 50_000
  let count = 0
  switch (style) {
    case 'constant':
      return () => 7
    case 'few':
      return () => Math.floor(random() * 9)
    case 'runs':
      return () => (count++ % 37 === 0 ? (value = Math.floor(random() * 500)) : value)
    case 'walk':
      return () => (value += Math.floor(random() * 9) - 4)
    case 'unique':
      return () => Math.floor(random() * 2 ** 40)
    case 'extreme':
      return () => Math.floor(random() * 6)
  }
}

const DOUBLES = [0, -0, 5e-324, -1.7976931348623157e308, Infinity, -Infinity]
const WHOLES = [0, -1, 2 ** 53, -(2 ** 53), 2 ** 32, -(2 ** 31) - 1]
const DAYS = [0, -1, 2 ** 31 - 2, -(2 ** 31) + 2, 20_000, -719_162]
const NANOSECONDS = [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n) + 1n, 2n ** 32n, 1_704_205_800_000_000_001n]
const TEXTS = ['', 'é', '🚀'.repeat(90), '\uFB01', 'x'.repeat(300), "it's\u0000zero"]

const doubleOf = (value: number, style: Style): number =>
  style === 'extreme' ? DOUBLES[value]! : value / 100
const wholeOf = (value: number, style: Style): number => (style === 'extreme' ? WHOLES[value]! : value - 1000)
const dayOf = (value: number, style: Style): number => (style === 'extreme' ? DAYS[value]! : value % 100_000)
const nsOf = (value: number, style: Style): bigint =>
  style === 'extreme' ? NANOSECONDS[value]! : 1_704_205_800_000_000_000n + BigInt(value)
const textOf = (value: number, style: Style): string =>
  style === 'extreme' ? TEXTS[value]! : value % 3 === 0 ? `größe-${value}` : `t${value}`

function listsOf(values: readonly (number | null)[], random: () => number): ColumnData {
  const offsets = new Uint32Array(values.length + 1)
  const elements: number[] = []
  values.forEach((value, row) => {
    const length = value === null ? 0 : 1 + Math.floor(random() * 4)
    for (let i = 0; i < length; i++) elements.push((value! % 2 ** 31) - i * 2 ** 20)
    offsets[row + 1] = elements.length
  })
  return { offsets, values: Int32Array.from(elements) }
}
