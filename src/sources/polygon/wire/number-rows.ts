import { alignUp, kernels, kernelScratch } from '../../../core/kernels/index.ts'

/** Rows that all have the same fields in the same order, every one a number, written without spaces. */
export interface NumberShape {
  /** Per field: the bytes of its name with quotes and colon, `"vw":`. */
  readonly names: readonly Uint8Array[]
  /** Per field: where its values go. */
  readonly values: readonly Float64Array[]
  /** Per field: what its numbers are multiplied by. */
  readonly factors: readonly number[]
  /** Per field: numbers beyond ±this are not read here. */
  readonly limits: readonly number[]
}

/** Where rows stand and where they go. */
export interface NumberRows {
  readonly bytes: Uint8Array
  /** The opening brace of the next row. */
  pos: number
  /** The next row's number; rows are read while it is below `end`. */
  row: number
  readonly end: number
  /** Takes the place where each row begins. */
  readonly starts: Uint32Array | undefined
}

/** The kernel's limits, see `kernels/number-rows.ts`. */
const MOST_FIELDS = 32
const MOST_NAME_BYTES = 8
const FIELD_BYTES = 48
const ZEROS = 16

/**
 * Bytes looked at together. Rows that are read with care for some other reason come between: so the first window is
 * small, and each one after a full one is larger.
 */
const FIRST_WINDOW = 4096
const LAST_WINDOW = 65_536
/** A row that is told from another one takes two bytes per field at least. */
const MOST_ROWS = 2048

/**
 * Reads rows of `shape` for as long as they come one after the other, and stops in front of the first that is in any
 * way different, wrong or the last: whoever called reads that one with care. This is the hot path of a page of bars.
 */
export function readNumberRows(rows: NumberRows, shape: NumberShape): void {
  if (shape.names.length > MOST_FIELDS || shape.names.some((name) => name.length > MOST_NAME_BYTES)) return
  const place = placeFor(shape)
  for (let window = FIRST_WINDOW; rows.row < rows.end; window = Math.min(2 * window, LAST_WINDOW)) {
    const read = readWindow(rows, shape, place, window)
    if (read === 0) return
  }
}

/** Where things stand in the kernels' memory. */
interface Place {
  readonly window: number
  readonly starts: number
  readonly columns: number
}

function placeFor({ names, factors, limits }: NumberShape): Place {
  const window = kernelScratch(LAST_WINDOW + ZEROS + 64 + (names.length + 1) * 8 * MOST_ROWS)
  const starts = alignUp(window + LAST_WINDOW + ZEROS)
  const columns = starts + 8 * MOST_ROWS
  const { memory, rowFields } = kernels()
  const view = new DataView(memory.buffer, rowFields(), names.length * FIELD_BYTES)
  names.forEach((name, field) => {
    const at = field * FIELD_BYTES
    for (let byte = 0; byte < MOST_NAME_BYTES; byte++) {
      view.setUint8(at + byte, name[byte] ?? 0)
      view.setUint8(at + MOST_NAME_BYTES + byte, byte < name.length ? 0xff : 0)
    }
    view.setUint32(at + 16, name.length, true)
    view.setUint32(at + 20, columns + field * 8 * MOST_ROWS, true)
    view.setFloat64(at + 32, factors[field]!, true)
    view.setFloat64(at + 40, limits[field]!, true)
  })
  return { window, starts, columns }
}

/** Reads the rows that lie in the next `bytes` bytes as a whole. @returns how many */
function readWindow(rows: NumberRows, { values }: NumberShape, place: Place, bytes: number): number {
  const { memory, readRows, rowsPosition } = kernels()
  const memoryBytes = new Uint8Array(memory.buffer)
  const part = rows.bytes.subarray(rows.pos, rows.pos + bytes)
  memoryBytes.set(part, place.window)
  memoryBytes.fill(0, place.window + part.length, place.window + part.length + ZEROS)
  const most = Math.min(MOST_ROWS, rows.end - rows.row)
  const base = place.window - rows.pos
  const read = readRows(place.window, values.length, most, place.starts, base)
  values.forEach((column, field) => {
    const at = place.columns + field * 8 * MOST_ROWS
    column.set(new Float64Array(memory.buffer, at, read), rows.row)
  })
  rows.starts?.set(new Uint32Array(memory.buffer, place.starts, read), rows.row)
  rows.pos += rowsPosition() - place.window
  rows.row += read
  return read
}
