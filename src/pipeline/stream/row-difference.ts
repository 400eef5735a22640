import { stringAt, type Batch, type StringColumn } from '../../core/batch.ts'

/** True when a value of row `a` of `live` is another one in row `b` of `rest`. Values that `live` lacks do not count. */
export function rowsDiffer(live: Batch, a: number, rest: Batch, b: number): boolean {
  return live.schema.some(({ name, type }) => {
    const [x, y] = [live.columns[name]!, rest.columns[name]!]
    switch (type) {
      case 'string': {
        const text = stringAt(x as StringColumn, a)
        return text !== null && text !== stringAt(y as StringColumn, b)
      }
      case 'int_list':
        return false // conditions of ticks, which are never compared row by row
      case 'ns':
        return (x as BigInt64Array)[a] !== (y as BigInt64Array)[b]
      default: {
        const value = (x as Float64Array)[a]!
        return !Number.isNaN(value) && value !== (y as Float64Array)[b]
      }
    }
  })
}
