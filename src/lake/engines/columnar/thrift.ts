import { ByteWriter } from './byte-writer.ts'

/** Types of Thrift's compact protocol that Parquet uses. */
const TYPE = { true: 1, false: 2, i16: 4, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const

/** A field of a struct; made by the functions below. */
type Field = readonly [type: number, write: (out: ByteWriter) => void]
/** A struct: its fields by number. What is undefined is left out. */
export type Struct = Readonly<Record<number, Field | undefined>>

const utf8 = new TextEncoder()

const writeBinary = (out: ByteWriter, value: string | Uint8Array): void => {
  const bytes = typeof value === 'string' ? utf8.encode(value) : value
  out.varint(bytes.length)
  out.bytes(bytes)
}

export const bool = (value: boolean): Field => [value ? TYPE.true : TYPE.false, () => undefined]
export const i16 = (value: number): Field => [TYPE.i16, (out) => out.zigzag(value)]
export const i32 = (value: number): Field => [TYPE.i32, (out) => out.zigzag(value)]
/** Within ±2^52. */
export const i64 = (value: number): Field => [TYPE.i64, (out) => out.zigzag(value)]
export const binary = (value: string | Uint8Array): Field => [TYPE.binary, (out) => writeBinary(out, value)]
export const struct = (fields: Struct): Field => [TYPE.struct, (out) => writeStruct(out, fields)]

/** A list of elements of one type, which may not be bool. */
export function list(elements: readonly Field[]): Field {
  const type = elements[0]?.[0] ?? TYPE.struct
  return [
    TYPE.list,
    (out) => {
      const { length } = elements
      out.byte((Math.min(length, 15) << 4) | type)
      if (length >= 15) out.varint(length)
      for (const [, write] of elements) write(out)
    },
  ]
}

/** Writes `fields` in order of their numbers, each told by its distance to the one before. */
export function writeStruct(out: ByteWriter, fields: Struct): void {
  let last = 0
  for (const [key, field] of Object.entries(fields)) {
    if (!field) continue
    const [type, write] = field
    out.byte(((Number(key) - last) << 4) | type) // Parquet's numbers never lie more than 15 apart
    write(out)
    last = Number(key)
  }
  out.byte(0)
}

/** The bytes of one struct. */
export function encodeStruct(fields: Struct): Uint8Array {
  const out = new ByteWriter(512)
  writeStruct(out, fields)
  return out.written
}
