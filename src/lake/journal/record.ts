import { crc32 } from 'node:zlib'

/**
 * The journal's file format, version 1, little-endian. A file begins with {@link MAGIC}; then come records:
 *
 *   bytes  0–3   CRC-32 of everything after it in the record
 *   bytes  4–7   length of the payload
 *   bytes  8–11  the same with every bit turned, so that a damaged length is not taken for a torn record
 *   byte  12     kind, 1–255
 *   bytes 13–20  receivedMs, a double
 *   bytes 21–    payload
 */
export const MAGIC = Buffer.from('TLJRNL01')
export const HEADER_BYTES = 21
/** Longer payloads are refused; a length beyond it was never written. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024

/** One thing that was received. */
export interface JournalRecord {
  /** What the payload is, 1–255; see {@link RECORD_KIND}. */
  readonly kind: number
  /** When it was received, ms since the Unix epoch, UTC. */
  readonly receivedMs: number
  readonly payload: Buffer
}

/** The kinds of records that tapelake writes. */
export const RECORD_KIND = {
  /** A frame as it came off the socket. */
  frame: 1,
  /** JSON text of the recorder's own: connections, holes. */
  note: 2,
} as const

/** Writes a record into `target` at `at`, where there must be room; returns the place behind it. */
export function encodeRecord(target: Buffer, at: number, record: JournalRecord): number {
  const { kind, receivedMs, payload } = record
  const end = at + HEADER_BYTES + payload.length
  target.writeUInt32LE(payload.length, at + 4)
  target.writeUInt32LE(~payload.length >>> 0, at + 8)
  target[at + 12] = kind
  target.writeDoubleLE(receivedMs, at + 13)
  target.set(payload, at + HEADER_BYTES)
  target.writeUInt32LE(crc32(target.subarray(at + 4, end)), at)
  return end
}

/**
 * The record at `at`: whole; `incomplete` where `bytes` end too early for it (more may follow in the file);
 * `bad` where no such record can have been written.
 */
export function decodeRecord(bytes: Buffer, at: number): JournalRecord | 'incomplete' | 'bad' {
  if (bytes.length - at < HEADER_BYTES) return 'incomplete'
  const length = bytes.readUInt32LE(at + 4)
  const kind = bytes[at + 12]!
  if (bytes.readUInt32LE(at + 8) !== ~length >>> 0 || length > MAX_PAYLOAD_BYTES || kind === 0) return 'bad'
  const end = at + HEADER_BYTES + length
  if (bytes.length < end) return 'incomplete'
  if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32LE(at)) return 'bad'
  const payload = Buffer.from(bytes.subarray(at + HEADER_BYTES, end))
  return { kind, receivedMs: bytes.readDoubleLE(at + 13), payload }
}
