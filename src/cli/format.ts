/** Numbers, sizes and times as people read them. Never for --json. */

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1234567` → `1,234,567`, in every locale. */
export function formatNumber(value: number): string {
  const [whole = '', fraction] = String(value).split('.')
  if (/e/i.test(whole) || !Number.isFinite(value)) return String(value)
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? grouped : `${grouped}.${fraction}`
}

/** `1536` → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BINARY_UNITS[unit]}`
}

/** `850` → `0.9 s`, `65000` → `1 min 5 s`, `7300000` → `2 h 1 min`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?'
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`
}

/** `plural(2, 'session')` → `2 sessions`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`
}

/** The first few of `names`, each once: `SPY, QQQ, IWM, …`. */
export function shortList(names: readonly string[]): string {
  const unique = [...new Set(names)]
  return unique.slice(0, 3).join(', ') + (unique.length > 3 ? ', …' : '')
}
