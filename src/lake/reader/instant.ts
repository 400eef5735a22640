/**
 * An instant as ISO 8601, `2025-01-03T14:30:00Z`, with as many digits of a fraction as it takes (none, 3, 6 or 9).
 *
 * @param count since 1970-01-01T00:00:00, in units of which `perSecond` (a power of ten) make a second
 * @param zone appended: `Z`, or nothing for a wall clock
 */
export function isoInstant(count: bigint, perSecond: bigint, zone: '' | 'Z'): string {
  const fraction = ((count % perSecond) + perSecond) % perSecond
  const seconds = Number((count - fraction) / perSecond)
  return new Date(seconds * 1000).toISOString().slice(0, -5) + fractionText(fraction, perSecond) + zone
}

function fractionText(fraction: bigint, perSecond: bigint): string {
  if (fraction === 0n) return ''
  const digits = fraction.toString().padStart(perSecond.toString().length - 1, '0')
  return `.${digits.replace(/(?:000)+$/, '')}`
}

/** A date as ISO 8601. @param days since 1970-01-01 */
export const isoDate = (days: number): string => new Date(days * 86_400_000).toISOString().slice(0, -14)
