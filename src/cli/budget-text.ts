import type { BudgetView } from '../pipeline/budget.ts'
import { formatDuration, formatNumber, plural } from './format.ts'

/** What is left of a budget and what was used, for people: a line each. */
export function budgetLines({
  limit,
  used,
  remaining,
  window,
  nextInSeconds,
  pause,
  day,
}: BudgetView): string[] {
  const calls = `${plural(used, 'call')} used in ${window} s`
  const next = nextInSeconds > 0 ? `; the next can start in ${formatDuration(nextInSeconds * 1000)}` : ''
  const lines = [
    remaining === null || limit === 0
      ? `no call limit (sources.polygon.callsPerMinute: 0): ${calls}`
      : `${formatNumber(remaining)} of ${plural(limit, 'call')} left: ${calls}${next}`,
  ]
  if (pause) lines.push(`paused until ${pause.until}: the vendor asked everybody with this key to wait`)
  if (day) {
    const left = `${formatNumber(day.remaining)} of ${plural(day.limit, 'call')} left today`
    lines.push(`${left}; the day's budget renews at ${day.renewsAt}`)
  }
  return lines
}
